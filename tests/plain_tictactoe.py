"""Tic-tac-toe in plain Python, from which games with planted bugs derive; a test fixture."""

from typing import Any

import numpy as np
import numpy.typing as npt

from games import Game, GameError, GameState, IllegalActionError

LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


class Plain(GameState):
    """A position; the board is a list of nine characters."""

    def __init__(self, game: Game, board: str = ".........") -> None:
        super().__init__(game)
        self.board = list(board)

    def winner(self) -> str | None:
        for a, b, c in LINES:
            if self.board[a] != "." and self.board[a] == self.board[b] == self.board[c]:
                return self.board[a]
        return None

    def is_terminal(self) -> bool:
        return self.winner() is not None or "." not in self.board

    def get_legal_actions(self) -> list[int]:
        return [] if self.is_terminal() else [i for i in range(9) if self.board[i] == "."]

    def apply_action(self, action: int) -> None:
        if action not in self.get_legal_actions():
            raise IllegalActionError(f"{action} is not legal in {self.to_text()!r}")
        self.board[action] = "xo"[self.get_current_player()]

    def get_current_player(self) -> int:
        return 1 if self.board.count("x") > self.board.count("o") else 0

    def returns(self) -> list[float]:
        winner = self.winner()
        return [0.0, 0.0] if winner is None else [1.0, -1.0] if winner == "x" else [-1.0, 1.0]

    def observation(self) -> npt.NDArray[np.float32]:
        me = self.get_current_player()
        board = np.array(self.board).reshape(3, 3)
        return np.stack([board == "xo"[me], board == "xo"[1 - me]]).astype(np.float32)

    def to_text(self) -> str:
        return "".join(self.board)

    def __str__(self) -> str:
        return "\n".join("".join(self.board[i : i + 3]) for i in (0, 3, 6))


class PlainGame(Game):
    def __init__(self, state: type[Plain] = Plain, **sizes: Any) -> None:
        self.state = state
        usual: dict[str, Any] = {
            "num_actions": 9,
            "board_shape": (3, 3),
            "num_planes": 2,
            "max_game_length": 9,
        }
        super().__init__("plain", **(usual | sizes))

    def initial_state(self) -> GameState:
        return self.state(self)

    def state_from_text(self, text: str) -> GameState:
        if len(text) != 9 or set(text) - set(".xo"):
            raise GameError(f"{text!r} is no board")
        return self.state(self, text)
