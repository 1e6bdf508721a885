"""python-chess drives `ringzero uci` as boards do.

``python tests/test_uci_conformance.py 20`` plays so many whole games.
"""

import sys
from typing import Any

import pytest

chess = pytest.importorskip("chess", reason="python-chess is not installed")
engine = pytest.importorskip("chess.engine", reason="python-chess is not installed")

COMMAND = [sys.executable, "-m", "trainer.cli", "uci", "mcts:20", "--game", "chess",
           "--simulations", "20"]  # fmt: skip


def started() -> Any:
    return engine.SimpleEngine.popen_uci(COMMAND, timeout=60)


def play(ringzero: Any, board: Any, limit: Any, most: int) -> int:
    """Let it play both sides for up to `most` plies; how many there were."""
    for ply in range(most):
        if board.is_game_over(claim_draw=True):
            return ply
        result = ringzero.play(board, limit)
        assert result.move in board.legal_moves
        board.push(result.move)
    return most


def test_a_board_plays_with_it_under_every_limit() -> None:
    with started() as ringzero:
        assert ringzero.id["name"] == "ringzero"
        for limit in (
            engine.Limit(nodes=20),
            engine.Limit(time=0.05),
            engine.Limit(white_clock=1, black_clock=1, white_inc=0.01, black_inc=0.01),
        ):
            assert play(ringzero, chess.Board(), limit, 6) == 6


def test_several_lines_are_analysed_live_and_stopped() -> None:
    board = chess.Board("r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR w KQkq - 0 4")
    with started() as ringzero:
        rows = ringzero.analyse(board, engine.Limit(nodes=200), multipv=3)
        assert [row["multipv"] for row in rows] == [1, 2, 3]
        assert len({row["pv"][0] for row in rows}) == 3
        for row in rows:
            after = board.copy()
            for move in row["pv"]:
                assert move in after.legal_moves
                after.push(move)
        with ringzero.analysis(board) as analysis:
            for info in analysis:
                if info.get("nodes", 0) > 50:
                    break
        assert play(ringzero, board, engine.Limit(nodes=10), 1) == 1


def test_wanted_moves_options_and_chess960_are_understood() -> None:
    with started() as ringzero:
        ringzero.configure({"c_init": "1.5", "Hash": 32})
        moves = [chess.Move.from_uci("a2a3")]
        result = ringzero.play(chess.Board(), engine.Limit(nodes=10), root_moves=moves)
        assert result.move == moves[0]
        assert play(ringzero, chess.Board.from_chess960_pos(7), engine.Limit(nodes=10), 4) == 4


def main() -> None:
    """Whole games; every move is checked."""
    num = int(sys.argv[1])
    with started() as ringzero:
        for number in range(num):
            board = chess.Board()
            plies = play(ringzero, board, engine.Limit(nodes=20), 1000)
            print(f"game {number + 1}: {plies} plies, {board.result(claim_draw=True)}", flush=True)


if __name__ == "__main__":
    main()
