"""Chess moves and positions as text: UCI, SAN and FEN, of Chess960 too."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from games import GameError, IllegalActionError
from games.chess import Chess, ChessState

GAME = Chess()
CHESS960 = Chess(chess960=True)
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"


def sans(state: ChessState) -> set[str]:
    return {state.san(action) for action in state.get_legal_actions()}


def played(state: ChessState, move: str) -> str:
    state.apply_action(state.move_to_action(move))
    return state.to_text()


# -- moves ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fen", "expected"),
    [
        # Two knights on one file, on one rank, and three queens that need both.
        ("4k3/8/8/1N6/8/1N6/8/4K3 w - - 0 1", {"N5d4", "N3d4", "Na5", "Nc7+"}),
        ("4k3/8/8/8/8/1N3N2/8/4K3 w - - 0 1", {"Nbd4", "Nfd4", "Nbd2", "Nfd2"}),
        ("1k6/8/8/8/4Q2Q/8/8/K6Q w - - 0 1", {"Qee1", "Qh4e1", "Q1e1", "Q4h3"}),
        # The pinned knight cannot go there, so the other needs no name.
        ("4k3/4r3/8/8/4N3/8/8/N3K3 w - - 0 1", {"Nb3", "Nc2"}),
        # A bishop's move that looks like a pawn's in capital letters.
        ("7k/8/8/B7/8/B7/7P/4K3 w - - 0 1", {"B5b4", "B3b4", "Bb6"}),
        ("3r3k/4P3/8/8/8/8/8/4K3 w - - 0 1", {"e8=Q+", "e8=N", "exd8=R+", "exd8=B"}),
        ("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1", {"exd6", "e6"}),
        ("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", {"O-O", "O-O-O", "Rxa8+", "Rxh8+", "Kf1"}),
        ("6k1/5ppp/8/8/8/8/8/R3K3 w Q - 0 1", {"Ra8#", "O-O-O"}),
    ],
)
def test_san(fen: str, expected: set[str]) -> None:
    state = GAME.state_from_text(fen)
    assert expected <= sans(state)
    for text in sans(state):
        assert state.san(state.move_to_action(text)) == text


@pytest.mark.parametrize(
    ("fen", "uci", "texts"),
    [
        (START, "g1f3", ["Nf3", "Ngf3", "N1f3", "Ng1f3", "Ng1-f3", "G1F3", " g1f3 ", "Nf3!?"]),
        (START, "e2e4", ["e4", "e2-e4", "e4!"]),
        ("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1", "e5d6", ["exd6", "e5xd6", "ed6"]),
        ("3r3k/4P3/8/8/8/8/8/4K3 w - - 0 1", "e7d8n", ["exd8=N", "exd8N", "e7d8N"]),
        (
            "4k3/8/8/8/8/8/8/R3K2R w KQ - 0 1",
            "e1g1",
            ["O-O", "0-0", "O-O+", "e1g1", "e1h1", "E1H1"],
        ),
        ("4k3/8/8/8/8/8/8/R3K2R w KQ - 0 1", "e1c1", ["O-O-O", "0-0-0", "e1a1"]),
    ],
)
def test_moves_are_read_in_many_spellings(fen: str, uci: str, texts: list[str]) -> None:
    state = GAME.state_from_text(fen)
    for text in texts:
        assert state.action_to_move(state.move_to_action(text)) == uci


@pytest.mark.parametrize(
    ("fen", "text", "why"),
    [
        (START, "e5", "'e5' is not a legal move of chess in"),
        (START, "", "'' is not a legal move"),
        (START, "Nd4", "legal: a2a4 a2a3"),
        (START, "nf3", "is not a legal move"),
        (START, "O-O", "is not a legal move"),
        ("4k3/8/8/8/8/1N3N2/8/4K3 w - - 0 1", "Nd4", "it could mean b3d4 f3d4"),
        ("8/4P3/8/8/8/k7/8/4K3 w - - 0 1", "e8", "is not a legal move"),
        ("8/4P3/8/8/8/k7/8/4K3 w - - 0 1", "e7e8", "legal: e7e8q"),
        ("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1", "e3=Q", "is not a legal move"),
    ],
)
def test_move_that_is_not_legal_is_an_error(fen: str, text: str, why: str) -> None:
    state = GAME.state_from_text(fen)
    with pytest.raises(IllegalActionError) as info:
        state.move_to_action(text)
    assert why in str(info.value)
    assert state.to_text() in str(info.value)


def test_san_of_an_illegal_action_is_an_error() -> None:
    with pytest.raises(IllegalActionError, match="0 is not a legal move"):
        GAME.initial_state().san(0)


def test_chess960_castling_is_named_by_the_rook() -> None:
    state = CHESS960.state_from_text("4k3/8/8/8/8/8/8/1R3KR1 w GB - 0 1")
    moves = {state.action_to_move(action) for action in state.get_legal_actions()}
    assert {"f1g1", "f1b1", "f1e1"} <= moves
    for text in ("O-O", "f1g1"):
        assert played(state.clone(), text).startswith("4k3/8/8/8/8/8/8/1R3RK1 b - - 1 1")
    for text in ("O-O-O", "f1b1", "f1c1"):
        assert played(state.clone(), text).startswith("4k3/8/8/8/8/8/8/2KR2R1 b - - 1 1")


def test_chess960_king_move_is_meant_where_castling_has_the_same_name() -> None:
    state = CHESS960.state_from_text("4k3/8/8/8/8/8/8/5K1R w H - 0 1")
    assert played(state.clone(), "f1g1").startswith("4k3/8/8/8/8/8/8/6KR b")
    assert played(state.clone(), "f1h1").startswith("4k3/8/8/8/8/8/8/5RK1 b")
    assert played(state.clone(), "O-O").startswith("4k3/8/8/8/8/8/8/5RK1 b")


def test_chess960_rook_that_covers_the_king_may_not_castle_away() -> None:
    state = CHESS960.state_from_text("4k3/8/8/8/8/8/8/rR1K4 w B - 0 1")
    assert "O-O-O" not in sans(state)
    state = CHESS960.state_from_text("4k3/8/8/8/8/8/8/1R1K4 w B - 0 1")
    assert "O-O-O" in sans(state)


# -- positions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fen",
    [
        START,
        "r3k2r/8/8/8/8/8/8/R3K2R b Kq - 99 120",
        "4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 30",
        "8/8/8/8/8/k7/8/K7 w - - 100 512",
    ],
)
def test_fen_round_trip(fen: str) -> None:
    assert GAME.state_from_text(fen).to_text() == fen


def test_texts_of_one_position() -> None:
    texts = [
        "startpos",
        START,
        START[:-4],
        f"  {START.replace(' ', '  ')}\n",
        START.replace("KQkq", "qkQK"),
        START.replace("KQkq", "HAha"),
    ]
    assert {GAME.state_from_text(text).to_text() for text in texts} == {START}
    moved = GAME.state_from_text("startpos moves e2e4 c5 g1f3")
    fen = "rnbqkbnr/pp1ppppp/8/2p5/4P3/5N2/PPPP1PPP/RNBQKB1R b KQkq - 1 2"
    assert moved.to_text() == fen
    assert GAME.state_from_text(f"{START} moves").to_text() == START


def test_en_passant_cell_is_kept_only_if_it_can_be_captured() -> None:
    fen = "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 1"
    assert GAME.state_from_text(fen).to_text() == fen.replace("e3", "-")


def test_chess960_texts() -> None:
    assert CHESS960.initial_state().to_text() == START.replace("KQkq", "HAha")
    # X-FEN: K and Q are the outermost rooks, a file names another one.
    fen = "rr2k1r1/8/8/8/8/8/8/RR2K1R1 w {} - 0 1"
    for castling, shredder in (("KQkq", "GAga"), ("KBkb", "GBgb"), ("Gk", "Gg"), ("-", "-")):
        state = CHESS960.state_from_text(fen.format(castling))
        assert state.to_text() == fen.format(shredder)


def test_chess960_start_positions() -> None:
    texts = [CHESS960.numbered_start(number).to_text() for number in range(960)]
    assert len(set(texts)) == 960
    # Numbers of Scharnagl's table.
    assert texts[518] == START.replace("KQkq", "HAha")
    assert texts[0].startswith("bbqnnrkr/") and texts[959].startswith("rkrnnqbb/")
    for text in texts:
        row = text[:8]
        assert row.index("r") < row.index("k") < row.rindex("r")
        assert (row.index("b") + row.rindex("b")) % 2 == 1
    with pytest.raises(GameError, match="from 0 to 959, got 960"):
        CHESS960.numbered_start(960)


KINGS = "4k3/8/8/8/8/8/8/4K3"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "6 fields"),
        ("hello", "6 fields, placement, side, castling, en passant, clock and move number"),
        (f"{KINGS} w - - 0", "got 5"),
        ("4k3/8/8/8/8/8/4K3 w - - 0 1", "8 ranks separated by /, got 7"),
        ("4k3/9/8/8/8/8/8/4K3 w - - 0 1", "rank 7 must be of PNBRQK, pnbrqk and single digits"),
        ("4k3/44/8/8/8/8/8/4K3 w - - 0 1", "rank 7 must be of"),
        ("4k3/7/8/8/8/8/8/4K3 w - - 0 1", "rank 7 must have 8 cells, got '7'"),
        ("4x3/8/8/8/8/8/8/4K3 w - - 0 1", "rank 8 must be of"),
        ("8/8/8/8/8/8/8/4K3 w - - 0 1", "Black must have one king, got 0"),
        ("4k3/8/8/8/8/8/8/K3K3 w - - 0 1", "White must have one king, got 2"),
        ("4k2p/8/8/8/8/8/8/4K3 w - - 0 1", "a pawn stands on rank 1 or rank 8"),
        ("4k3/pppppppp/p7/8/8/8/8/4K3 w - - 0 1", "at most 8 pawns and promoted pieces, got 9"),
        ("4k3/pppppppp/8/8/8/8/8/qq2K3 b - - 0 1", "got 8 pawns and at least 1 promoted"),
        (f"{KINGS} x - - 0 1", "the side to move must be w or b, got 'x'"),
        (f"{KINGS} w K - 0 1", "'K' does not"),
        ("4k3/8/8/8/8/8/8/R3K3 w QQ - 0 1", "must name once each side"),
        ("4k3/8/8/8/8/8/4K3/R7 w Q - 0 1", "'Q' does not"),
        ("4k3/8/8/8/8/8/8/R2K4 w Q - 0 1", "make the game with chess960=True"),
        ("4k3/8/8/8/8/8/8/1R2K3 w B - 0 1", "make the game with chess960=True"),
        ("4k3/8/8/8/8/8/8/R3K3 w Z - 0 1", "'Z' does not"),
        (f"{KINGS} w - e3 0 1", "the en passant cell must be - or on rank 6, got 'e3'"),
        (f"{KINGS} w - e6 0 1", "no pawn can have passed the en passant cell e6"),
        ("4k3/3p4/8/3p4/8/8/8/4K3 w - d6 0 1", "no pawn can have passed"),
        (f"{KINGS} w - - -1 1", "the clock must be a number from 0 to 100, got '-1'"),
        (f"{KINGS} w - - 101 1", "got '101'"),
        (f"{KINGS} w - - ² 1", "got '²'"),
        (f"{KINGS} w - - 0 0", "the move number must be a number from 1 to 99999, got '0'"),
        ("4k3/p7/8/8/8/8/8/4K3 w - - 0 514", "move 514 lies behind the end of the game"),
        ("4k3/4R3/8/8/8/8/8/4K3 w - - 0 1", "Black is in check, but White is to move"),
        ("4k3/8/8/8/8/8/4r3/4K3 b - - 0 1", "White is in check, but Black is to move"),
        ("8/8/8/8/8/8/4k3/4K3 w - - 0 1", "Black is in check, but White is to move"),
        ("4k3/8/8/4r3/1b6/3n4/8/4K3 w - - 0 1", "more than two pieces give check"),
        ("startpos moves e2e4 e7e4", "move 2: 'e7e4' is not a legal move of chess in"),
        ("startpos e2e4", "6 fields"),
    ],
)
def test_bad_text_is_named_with_its_fault(text: str, why: str) -> None:
    with pytest.raises(GameError) as info:
        GAME.state_from_text(text)
    assert repr(text) in str(info.value)
    assert why in str(info.value)


FIELDS = st.tuples(
    st.lists(st.text("PNBRQKpnbrqk12345678", max_size=8), min_size=8, max_size=8).map("/".join),
    st.sampled_from("wb"),
    st.text("KQkqABCHabch-", max_size=4),
    st.sampled_from(["-", "e3", "d6", "a6", "h3", "e9"]),
    st.integers(-1, 102).map(str),
    st.integers(-1, 600).map(str),
).map(" ".join)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A proper text with some characters changed."""
    text = list(
        draw(
            st.sampled_from(
                [
                    START,
                    "r3k2r/8/8/3pP3/8/8/8/R3K2R w KQkq d6 0 1",
                    "1r2k1r1/P7/8/8/2Pp4/8/7p/1R2K1R1 b GBgb c3 0 9",
                    "startpos moves e2e4 e7e5 g1f3",
                ]
            )
        )
    )
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text) - 1))
        text[at] = draw(st.sampled_from("PNBRQKpnbrqk12345678/ -wbaehx\0"))
    return "".join(text)


@given(st.booleans(), st.one_of(st.text(max_size=60), FIELDS, damaged()))
@example(False, "\x00 nonsense /")
@example(True, "moves")
def test_any_text_is_a_position_or_a_game_error(chess960: bool, text: str) -> None:
    game = CHESS960 if chess960 else GAME
    try:
        state = game.state_from_text(text)
    except GameError:
        return
    again = game.state_from_text(state.history_text())
    assert again.position_hash() == state.position_hash()
    assert again.to_text() == state.to_text()
    assert len({state.san(action) for action in state.get_legal_actions()}) == len(
        state.get_legal_actions()
    )


@given(
    st.sampled_from([START, "r3k2r/P7/8/3pP3/8/8/8/R3K2R w KQkq d6 0 1"]),
    st.one_of(st.text(max_size=12), st.text("abcdefgh12345678NBRQKO0x=+#-", max_size=7)),
)
@example(START, "e2e4\0")
def test_any_text_is_a_legal_move_or_an_illegal_action_error(fen: str, text: str) -> None:
    state = GAME.state_from_text(fen)
    try:
        action = state.move_to_action(text)
    except IllegalActionError:
        return
    assert action in state.get_legal_actions()
