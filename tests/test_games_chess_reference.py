"""Chess against python-chess, where that is installed: whole random games, texts included."""

import os
import random

import pytest

from games.chess import Chess, ChessState

chess = pytest.importorskip("chess", reason="needs pip install 'ringzero[reference]' (GPL)")

NUM_GAMES = int(os.environ.get("RINGZERO_CHESS_GAMES", "4"))


def compare(state: ChessState, board: "chess.Board", rng: random.Random) -> None:
    fen = "shredder_fen" if board.chess960 else "fen"
    assert state.to_text() == getattr(board, fen)()
    assert state.in_check() == board.is_check()
    moves = {board.uci(move): move for move in board.legal_moves}
    over = (
        board.is_insufficient_material()
        or board.is_repetition(3)
        or board.halfmove_clock >= 100
        or not moves
    )
    assert state.is_terminal() == over
    if over:
        assert state.returns() == (
            [0.0, 0.0] if not board.is_checkmate() else [-1.0, 1.0] if board.turn else [1.0, -1.0]
        )
        return
    actions = {state.action_to_move(action): action for action in state.get_legal_actions()}
    assert actions.keys() == moves.keys()
    for uci, action in rng.sample(sorted(actions.items()), min(4, len(actions))):
        san = board.san(moves[uci])
        assert state.san(action) == san
        assert state.move_to_action(san) == action
        assert state.move_to_action(uci) == action


@pytest.mark.parametrize("chess960", [False, True])
def test_random_games_agree_with_python_chess(chess960: bool) -> None:
    rng = random.Random(11)
    game = Chess(chess960)
    for _ in range(NUM_GAMES):
        number = rng.randrange(960) if chess960 else 518
        if chess960:
            board = chess.Board.from_chess960_pos(number)
            state = game.numbered_start(number)
        else:
            board = chess.Board()
            state = game.initial_state()
        while not state.is_terminal():
            compare(state, board, rng)
            # Captures and pawn moves less often, for long games with many repetitions.
            moves = list(board.legal_moves)
            quiet = [move for move in moves if not board.is_zeroing(move)]
            move = rng.choice(quiet if quiet and rng.random() < 0.4 else moves)
            state.apply_action(state.move_to_action(board.uci(move)))
            board.push(move)
        compare(state, board, rng)


def test_start_positions_have_scharnagls_numbers() -> None:
    game = Chess(chess960=True)
    for number in range(0, 960, 7):
        board = chess.Board.from_chess960_pos(number)
        assert game.numbered_start(number).to_text() == board.shredder_fen()
