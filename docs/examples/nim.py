"""Nim: a whole game in plain Python, to copy from.

There are a few heaps of objects. The players take turns; a move takes one or more objects from
one heap. Who takes the last object wins. Play and check it with

    games.make("docs/examples/nim.py", heaps=3, size=5)
    games.contract.check_game("docs/examples/nim.py")

A game is two classes: a `Game`, which knows the sizes and makes the first position, and a
`GameState`, a position that moves change in place.
"""

import numpy as np
import numpy.typing as npt

from games import Game, GameError, GameState, IllegalActionError


class Nim(Game):
    """`heaps` heaps; the last has `size` objects, each other one less than the next: 3 4 5."""

    # The arguments are the game's options; hand them on, so that the game can be made again.
    def __init__(self, heaps: int = 3, size: int = 5) -> None:
        if not 1 <= heaps <= size <= 16:
            raise GameError(f"nim needs 1 <= heaps <= size <= 16, got {heaps} and {size}")
        self.first = list(range(size - heaps + 1, size + 1))
        super().__init__(
            "nim",
            options={"heaps": heaps, "size": size},
            num_actions=heaps * size,  # width of the policy; an action is (heap, how many - 1)
            board_shape=(heaps, size),  # what the network sees: a row a heap
            num_planes=1,  # of zeros and ones; here a one is an object
            max_game_length=sum(self.first),
        )

    def initial_state(self) -> "NimState":
        return NimState(self, self.first, 0)

    def state_from_text(self, text: str) -> "NimState":
        *heaps, side = text.split() or [""]
        if len(heaps) != self.rows or side not in ("x", "o"):
            raise GameError(f"{text!r} is not {self.rows} heaps and the side to move, x or o")
        for heap, most in zip(heaps, self.first, strict=True):
            if heap not in map(str, range(most + 1)):
                raise GameError(f"heaps in {text!r} must be 0 to {self.first}, got {heap!r}")
        return NimState(self, [int(heap) for heap in heaps], "xo".index(side))


class NimState(GameState):
    def __init__(self, game: Nim, heaps: list[int], player: int) -> None:
        super().__init__(game)
        self.heaps = list(heaps)
        self.player = player

    def is_terminal(self) -> bool:
        return not any(self.heaps)

    def get_legal_actions(self) -> list[int]:  # in increasing order; none after the end
        size = self.game.columns
        return [row * size + n for row, heap in enumerate(self.heaps) for n in range(heap)]

    def apply_action(self, action: int) -> None:
        if action not in self.get_legal_actions():
            raise IllegalActionError(f"{action} is not a legal action of nim in {self.to_text()!r}")
        row, n = divmod(action, self.game.columns)
        self.heaps[row] -= n + 1
        self.player = 1 - self.player

    def get_current_player(self) -> int:
        return self.player

    def returns(self) -> list[float]:  # for player 0 and player 1; the sum is zero
        if not self.is_terminal():
            return [0.0, 0.0]
        return [-1.0, 1.0] if self.player == 0 else [1.0, -1.0]  # who should move has lost

    def observation(self) -> npt.NDArray[np.float32]:  # for the player to move, [planes, H, W]
        counts = np.array(self.heaps)[:, None]
        return (np.arange(self.game.columns) < counts)[None].astype(np.float32)

    def to_text(self) -> str:  # all that decides the future; equal texts are equal positions
        return f"{' '.join(map(str, self.heaps))} {'xo'[self.player]}"

    # The rest is for people.

    def action_to_move(self, action: int) -> str:  # "b2": take two from the second heap
        row, n = divmod(action, self.game.columns)
        return f"{'abcdefghijklmnop'[row]}{n + 1}"

    def __str__(self) -> str:
        rows = [f"{'abcdefghijklmnop'[row]} {'|' * heap}" for row, heap in enumerate(self.heaps)]
        return "\n".join([*rows, f"{'xo'[self.player]} to move"])
