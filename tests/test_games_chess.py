"""Chess: exact counts, recorded games, how games end, what is equal, what is seen."""

import gzip
import json
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import perft_chess
import pytest

import games
from games import GameError, IllegalActionError, twins
from games.chess import Chess, ChessState
from games.contract import check_game

GAME = Chess()
CHESS960 = Chess(chess960=True)
HERE = Path(__file__).parent / "data" / "chess"
KIWIPETE = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"
# 218 legal moves (Petrovic 1964), the most there are.
MOST = "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1"


def after(*moves: str, game: Chess = GAME, fen: str = "startpos") -> ChessState:
    return game.state_from_text(f"{fen} moves {' '.join(moves)}")


def legal(state: ChessState) -> list[str]:
    return sorted(state.action_to_move(action) for action in state.get_legal_actions())


# -- against recorded answers ---------------------------------------------------------------------


def test_perft_of_the_start_position() -> None:
    counts = [1, 20, 400, 8902, 197281, 4865609]
    assert [GAME.initial_state().perft(depth) for depth in range(6)] == counts
    # The first draw by rule is still far away, so the contract's own count agrees.
    assert twins.perft(GAME, 4) == 197281


def test_perft_that_makes_the_last_move_counts_the_same() -> None:
    state = GAME.state_from_text(KIWIPETE)
    assert [state.perft(depth, bulk=False) for depth in range(5)] == [1, 48, 2039, 97862, 4085603]


def test_perft_of_positions_from_random_games() -> None:
    checked, _ = perft_chess.check(HERE / "perft_random.epd", chess960=False, depth=3)
    assert checked == 900


@pytest.mark.parametrize("name", perft_chess.FILES)
def test_perft_files_to_depth_3(shared_data: Path, name: str) -> None:
    path = shared_data / "chess" / name
    checked, _ = perft_chess.check(path, chess960=perft_chess.FILES[name], depth=3)
    assert checked >= 2.9 * 65


@pytest.mark.slow
@pytest.mark.parametrize("name", perft_chess.FILES)
def test_perft_files_to_depth_5(shared_data: Path, name: str) -> None:
    path = shared_data / "chess" / name
    checked, _ = perft_chess.check(path, chess960=perft_chess.FILES[name], depth=5)
    assert checked >= 3.9 * 65


def test_recorded_games_replay(shared_data: Path) -> None:
    path = shared_data / "trajectories" / "chess.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        records = [json.loads(line) for line in lines]
    assert len(records) == 200
    game = games.make("chess")
    for record in records:
        state = game.initial_state()
        moves, crcs = record["moves"].split(), record["legal_crc"].split()
        for move, n_legal, crc in zip(moves, record["n_legal"], crcs, strict=True):
            moves_here = sorted(state.action_to_move(a) for a in state.get_legal_actions())
            assert not state.is_terminal()
            assert len(moves_here) == n_legal
            assert f"{zlib.crc32(' '.join(moves_here).encode()):08x}" == crc
            state.apply_action(state.move_to_action(move))
        assert state.is_terminal()
        assert state.get_legal_actions() == []
        assert state.returns() == record["returns"]
        assert state.to_text() == record["final"]
        assert isinstance(state, ChessState)
        assert state.end_reason() == record["end"]


@pytest.mark.parametrize(
    "game", [GAME, CHESS960, Chess(max_game_length=40)], ids=["chess", "960", "short"]
)
def test_contract(game: Chess) -> None:
    check_game(game, num_games=2, seed=1)


# -- how a game ends ------------------------------------------------------------------------------

KNIGHTS_OUT_AND_BACK = ["g1f3", "g8f6", "f3g1", "f6g8"]


@pytest.mark.parametrize(
    ("fen", "moves", "reason", "returns"),
    [
        ("startpos", ["f2f3", "e7e5", "g2g4", "d8h4"], "checkmate", [-1, 1]),
        ("7k/6pp/8/8/8/8/8/R3K3 w - - 99 80", ["a1a8"], "checkmate", [1, -1]),
        ("7k/8/8/5Q2/8/8/8/4K3 w - - 3 80", ["f5g6"], "stalemate", [0, 0]),
        ("7k/8/8/8/8/8/8/R3K3 w - - 99 80", ["e1d1"], "fifty_moves", [0, 0]),
        ("7k/8/8/8/8/8/3r4/4K3 w - - 0 1", ["e1d2"], "insufficient_material", [0, 0]),
        ("startpos", KNIGHTS_OUT_AND_BACK * 2, "threefold", [0, 0]),
        ("7k/8/8/8/8/8/8/R3K3 w - - 0 512", ["e1d1", "h8h7"], "max_game_length", [0, 0]),
    ],
)
def test_ends(fen: str, moves: list[str], reason: str, returns: list[float]) -> None:
    before, state = after(*moves[:-1], fen=fen), after(*moves, fen=fen)
    assert before.end_reason() is None and not before.is_terminal()
    assert before.returns() == [0, 0]
    assert state.end_reason() == reason
    assert state.is_terminal()
    assert state.get_legal_actions() == []
    assert state.returns() == returns


@pytest.mark.parametrize(
    ("pieces", "over"),
    [
        ("8/8", True),
        ("n7/8", True),
        ("b7/8", True),
        ("b1b5/8", True),
        ("b1B5/8", True),  # bishops of both players, all on light cells
        ("bb6/8", False),
        ("bB6/8", False),
        ("nn6/8", False),
        ("nN6/8", False),
        ("nB6/8", False),
        ("r7/8", False),
        ("q7/8", False),
        ("8/p7", False),
    ],
)
def test_insufficient_material(pieces: str, over: bool) -> None:
    state = GAME.state_from_text(f"{pieces}/8/8/8/4k3/8/4K3 w - - 0 1")
    assert (state.end_reason() == "insufficient_material") is over


def test_third_occurrence_counts_rights_and_not_moves() -> None:
    fen = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"
    kings = ["e1e2", "e8e7", "e2e1", "e7e8"]
    # White's rights are gone after one move, Black's after two: the first of three is the third.
    assert after(*kings * 2, *kings[:1], fen=fen).end_reason() is None
    assert after(*kings * 2, *kings[:2], fen=fen).end_reason() == "threefold"


def test_third_occurrence_counts_legal_en_passant_captures_only() -> None:
    knights = ["g8f6", "g1f3", "f6g8", "f3g1"]
    # No black pawn can capture on e3: the position after e2e4 is the first of three.
    assert after("e2e4", *knights * 2).end_reason() == "threefold"
    # After d4 one can, and that chance is lost later.
    capturable = after("a2a3", "d7d5", "a3a4", "d5d4", "e2e4", *knights * 2)
    assert capturable.end_reason() is None
    played = capturable.clone()
    played.apply_action(played.move_to_action("g8f6"))
    assert played.end_reason() == "threefold"


def test_en_passant_that_uncovers_the_king_is_neither_legal_nor_remembered() -> None:
    state = after("e2e4", fen="8/8/8/8/k2p3Q/8/4P3/4K3 w - - 0 1")
    assert "d4e3" not in legal(state)
    assert state.to_text().split()[3] == "-"
    # Two pawns could capture; the pinned one may not.
    state = after("e2e4", fen="3k4/8/8/8/3p1p2/8/4P3/3R2K1 w - - 0 1")
    assert state.to_text().split()[3] == "e3"
    assert "f4e3" in legal(state) and "d4e3" not in legal(state)


# -- equal positions ------------------------------------------------------------------------------


def test_hash_is_the_same_by_every_way_to_a_position() -> None:
    one = after("g1f3", "g8f6", "b1c3", "b8c6")
    two = after("b1c3", "b8c6", "g1f3", "g8f6")
    read = GAME.state_from_text(one.to_text())
    assert one.position_hash() == two.position_hash() == read.position_hash()
    assert one.packed_observation().tobytes() == two.packed_observation().tobytes()


def test_hash_tells_apart_what_decides_the_future() -> None:
    texts = [
        "r3k2r/8/8/8/3pP3/8/8/R3K2R b KQkq e3 0 1",
        "r3k2r/8/8/8/3pP3/8/8/R3K2R w KQkq - 0 1",
        "r3k2r/8/8/8/3pP3/8/8/R3K2R b KQkq - 0 1",
        "r3k2r/8/8/8/3pP3/8/8/R3K2R b Qkq - 0 1",
        "r3k2r/8/8/8/3pP3/8/8/R3K2R b KQk - 0 1",
        "r3k2r/8/8/8/3pP3/8/8/R3K2R b - - 0 1",
        "r3k2r/8/8/8/3pP3/8/8/R3K2R b - - 1 1",
        "r3k2r/8/8/8/3Pp3/8/8/R3K2R b - - 1 1",
        "R3K2R/8/8/8/3pP3/8/8/r3k2r b - - 1 1",
    ]
    states = [GAME.state_from_text(text) for text in texts]
    assert len({state.position_hash() for state in states}) == len(texts)
    seen = {(s.packed_observation().tobytes(), s.get_current_player()) for s in states}
    assert len(seen) == len(texts)
    repeated = after(*KNIGHTS_OUT_AND_BACK)
    fresh = GAME.state_from_text(repeated.to_text())
    assert repeated.position_hash() != fresh.position_hash()


def test_history_text_carries_the_repetitions() -> None:
    state = after("e2e4", "e7e5", *KNIGHTS_OUT_AND_BACK, "g1f3")
    assert state.history_text() == (
        "rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2 "
        "moves g1f3 g8f6 f3g1 f6g8 g1f3"
    )
    again = GAME.state_from_text(state.history_text())
    assert again.position_hash() == state.position_hash()
    for move in ("g8f6", "f3g1", "f6g8"):
        again.apply_action(again.move_to_action(move))
    assert again.end_reason() == "threefold"


# -- actions and observations ---------------------------------------------------------------------


def test_sizes_and_options() -> None:
    game = games.make("chess", chess960=True)
    assert game.options == {"chess960": True, "max_game_length": 1024}
    assert (game.num_actions, game.max_legal_actions) == (1858, 218)
    assert game.observation_shape == (16, 8, 8)
    assert game.observation_bytes == 128


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"chess960": 1}, "chess960 of chess must be True or False, got 1"),
        ({"max_game_length": 0}, "from 1 to 11900, got 0"),
        ({"max_game_length": True}, "got True"),
        ({"size": 8}, "chess has no option 'size'"),
    ],
)
def test_bad_option_is_an_error(options: dict[str, Any], why: str) -> None:
    with pytest.raises(GameError) as info:
        games.make("chess", **options)
    assert why in str(info.value)


def test_position_with_most_moves_fits() -> None:
    state = GAME.state_from_text(MOST)
    assert len(state.get_legal_actions()) == GAME.max_legal_actions


def test_actions_are_seen_by_the_player_to_move() -> None:
    # The same moves upside down are the same actions, castling and promotion included.
    white = GAME.state_from_text("r3k2r/1P6/8/2Pp4/8/8/8/R3K2R w KQkq d6 0 1")
    black = GAME.state_from_text("r3k2r/8/8/8/2pP4/8/1p6/R3K2R b KQkq d3 0 1")
    assert white.get_legal_actions() == black.get_legal_actions()
    for upright, turned in (("b7a8n", "b2a1n"), ("c5d6", "c4d3"), ("e1g1", "e8g8")):
        assert white.move_to_action(upright) == black.move_to_action(turned)
    assert white.observation().tobytes() == black.observation().tobytes()


def test_observation_planes() -> None:
    seen = after("e2e4", "d7d5", "e4e5", "f7f5", "g1f3", "g8f6").observation()
    assert seen[0].sum() == seen[6].sum() == 8  # pawns
    assert np.argwhere(seen[1]).tolist() == [[5, 5], [7, 1]]  # own knights f3, b1
    assert np.argwhere(seen[7]).tolist() == [[0, 1], [2, 5]]  # b8, f6
    assert np.argwhere(seen[5]).tolist() == [[7, 4]]
    assert np.argwhere(seen[12]).tolist() == [[0, 0], [0, 7], [7, 0], [7, 7]]
    assert not seen[13:15].any()
    assert (seen[15] == np.float32(0.02)).all()
    seen = after("e2e4", "d7d5", "e4e5", "f7f5").observation()
    assert np.argwhere(seen[13]).tolist() == [[2, 5]]
    assert (after(*KNIGHTS_OUT_AND_BACK).observation()[14] == 1).all()


def test_illegal_action_changes_nothing() -> None:
    state = GAME.initial_state()
    before = state.to_text(), state.position_hash()
    for action in (-1, 0, 1858, 10**12):
        with pytest.raises(IllegalActionError, match="legal: "):
            state.apply_action(action)
    assert before == (state.to_text(), state.position_hash())
    for action in (-1, 1858):
        with pytest.raises(IllegalActionError, match=f"from 0 to 1857, got {action}"):
            state.action_to_move(action)


def test_clone_in_the_middle_of_a_long_past_is_independent() -> None:
    rng = random.Random(3)
    state = GAME.state_from_text("4k2r/8/8/8/8/8/8/R3K3 w - - 0 1")
    while not state.is_terminal():
        twin, action = state.clone(), rng.choice(state.get_legal_actions())
        before = state.history_text()
        twin.apply_action(action)
        assert state.history_text() == before
        state.apply_action(action)
        assert state.history_text() == twin.history_text()
        assert state.position_hash() == twin.position_hash()


def test_perft_of_a_negative_depth_is_an_error() -> None:
    with pytest.raises(ValueError, match="depth must be >= 0, got -1"):
        GAME.initial_state().perft(-1)


def test_str_is_a_board_with_coordinates() -> None:
    lines = str(after("e2e4")).splitlines()
    assert lines[0] == "8 r n b q k b n r"
    assert lines[4] == "4 . . . . P . . ."
    assert lines[8:] == ["  a b c d e f g h", "black to move"]
    mate = after("f2f3", "e7e5", "g2g4", "d8h4")
    assert str(mate).splitlines()[-1] == "checkmate, black has won"
    assert str(after(*KNIGHTS_OUT_AND_BACK * 2)).splitlines()[-1] == "draw, threefold"
