"""One game as it is being played: the position, the moves that led to it, its mirror images."""

import random
from collections.abc import Callable, Sequence

import numpy as np

from games.base import Game, GameState

__all__ = ["STYLES", "Line", "Memory", "Style", "inverse", "planless"]

# Children that a style of play looks at before it chooses.
_LOOK_AHEAD = 6


class Line:
    """A sequence of actions from the first position, played on every symmetric board at once."""

    def __init__(self, game: Game, images: Sequence[Sequence[int]]) -> None:
        self.game = game
        self.images = images  # [S][A] what each symmetry makes of an action; the identity first
        self.actions: list[int] = []
        self.moves: list[str] = []
        self.state = game.initial_state()
        self.mirrors = [game.initial_image(number) for number in range(len(images))]

    def play(self, action: int) -> None:
        """Play a legal action; its images are the caller's to play on the mirrors."""
        self.moves.append(self.state.action_to_move(action))
        self.actions.append(action)
        self.state.apply_action(action)

    def board(self) -> str:
        """The position as `str` draws it, whatever the game's `str` does."""
        try:
            return str(self.state)
        except Exception as error:
            return f"(str(state) raised {error!r})"


def inverse(table: "np.ndarray[tuple[int, int], np.dtype[np.int32]]") -> list[list[int]]:
    """The inverse of each row's permutation: where symmetry s shows what was action a."""
    images: list[list[int]] = np.argsort(table, axis=1).tolist()
    return images


# -- styles of play: each picks one of the legal actions ------------------------------------------

Style = Callable[[Line, list[int], "Memory"], int]


class Memory:
    """What the styles know of the games before."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.times: dict[int, int] = {}  # an action's
        self.seen: dict[int, int] = {}  # a position's, by hash

    def children(self, line: Line, legal: list[int]) -> list[tuple[int, GameState]]:
        """Some actions and the positions they lead to."""
        picked = self.rng.sample(legal, min(_LOOK_AHEAD, len(legal)))
        children = [(action, line.state.clone()) for action in picked]
        for action, child in children:
            child.apply_action(action)
        return children


def anyhow(line: Line, legal: list[int], memory: Memory) -> int:
    """Uniformly at random."""
    return memory.rng.choice(legal)


def cramped(line: Line, legal: list[int], memory: Memory) -> int:
    """Towards few legal moves: passes and stalemates."""
    return _best(line, legal, memory, lambda child: -len(child.get_legal_actions()))


def roomy(line: Line, legal: list[int], memory: Memory) -> int:
    """Towards many legal moves: more than `max_legal_actions`?"""
    return _best(line, legal, memory, lambda child: len(child.get_legal_actions()))


def hasty(line: Line, legal: list[int], memory: Memory) -> int:
    """Towards the end of the game."""
    return _best(line, legal, memory, lambda child: child.is_terminal())


def lasting(line: Line, legal: list[int], memory: Memory) -> int:
    """Away from the end of the game: longer than `max_game_length`?"""
    return _best(line, legal, memory, lambda child: not child.is_terminal())


def repeating(line: Line, legal: list[int], memory: Memory) -> int:
    """Towards positions that have been there before: repetitions, transpositions."""
    return _best(line, legal, memory, lambda child: memory.seen.get(child.position_hash(), 0))


def rare(line: Line, legal: list[int], memory: Memory) -> int:
    """The action played least so far: passes, promotions, swaps."""
    return min(legal, key=lambda action: (memory.times.get(action, 0), memory.rng.random()))


def lowest(line: Line, legal: list[int], memory: Memory) -> int:
    """The first of the list, with now and then another."""
    return legal[0] if memory.rng.random() < 0.9 else memory.rng.choice(legal)


def highest(line: Line, legal: list[int], memory: Memory) -> int:
    """The last of the list, which is often a pass, with now and then another."""
    return legal[-1] if memory.rng.random() < 0.9 else memory.rng.choice(legal)


def planless(player: int, end: int) -> Style:
    """`player` takes the first (0) or the last (-1) of its actions, the other one any."""

    def style(line: Line, legal: list[int], memory: Memory) -> int:
        if line.state.get_current_player() == player:
            return legal[end]
        return memory.rng.choice(legal)

    return style


def _best(line: Line, legal: list[int], memory: Memory, worth: Callable[[GameState], float]) -> int:
    if memory.rng.random() < 0.1:  # no two games the same
        return memory.rng.choice(legal)
    children = memory.children(line, legal)
    return max(children, key=lambda child: worth(child[1]))[0]


STYLES: tuple[Style, ...] = (
    anyhow, lasting, cramped, anyhow, hasty, rare, anyhow, repeating, roomy, lowest, anyhow,
    highest,
)  # fmt: skip
