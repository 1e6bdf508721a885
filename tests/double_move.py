"""A small game in plain Python in which the player to move does not alternate; a test fixture.

One heap. A move takes one, two or three objects; who takes exactly two moves again. Who takes the
last object wins.

Options for tests of processes: a `faulty` game raises at the first move; with `report`, the
process that finishes a game writes its id and the names of its modules to that file.
"""

import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from games import Game, GameState, IllegalActionError


class DoubleMove(Game):
    def __init__(self, size: int = 9, faulty: bool = False, report: str = "") -> None:
        super().__init__(
            "double_move",
            options={"size": size, "faulty": faulty, "report": report},
            num_actions=3,
            board_shape=(1, size),
            num_planes=1,
            num_scalars=1,
            max_game_length=size,
        )

    def initial_state(self) -> "DoubleMoveState":
        return DoubleMoveState(self, self.columns, 0)

    def state_from_text(self, text: str) -> "DoubleMoveState":
        heap, player = map(int, text.split())
        return DoubleMoveState(self, heap, player)


class DoubleMoveState(GameState):
    def __init__(self, game: Game, heap: int, player: int) -> None:
        super().__init__(game)
        self.heap = heap
        self.player = player
        self.winner = -1

    def is_terminal(self) -> bool:
        return self.heap == 0

    def get_legal_actions(self) -> list[int]:
        return list(range(min(3, self.heap)))

    def apply_action(self, action: int) -> None:
        if action not in self.get_legal_actions():
            raise IllegalActionError(f"{action} is not legal in {self.to_text()!r}")
        if self.game.options["faulty"]:
            raise RuntimeError("this game is broken on purpose")
        self.heap -= action + 1
        if self.heap == 0:
            self.winner = self.player
            if self.game.options["report"]:
                names = "\n".join([str(os.getpid()), *sys.modules])
                Path(self.game.options["report"]).write_text(names)
        if action != 1:
            self.player = 1 - self.player

    def get_current_player(self) -> int:
        return self.player

    def returns(self) -> list[float]:
        if self.heap:
            return [0.0, 0.0]
        return [1.0, -1.0] if self.winner == 0 else [-1.0, 1.0]

    def observation(self) -> npt.NDArray[np.float32]:
        plane = (np.arange(self.game.columns) < self.heap).astype(np.float32)
        return np.stack([plane, np.full_like(plane, self.player)])[:, None]

    def to_text(self) -> str:
        return f"{self.heap} {self.player}"
