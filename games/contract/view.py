"""What can be seen of a position, and the error that names a broken promise."""

from typing import NamedTuple

from games.base import Game, GameState
from games.errors import GameError

__all__ = ["ContractError", "Looks", "View"]


class ContractError(GameError):
    """A rule that a game breaks, with the shortest moves found that show it.

    Attributes
    ----------
    promise
        Which of `games.contract.PROMISES` was broken.
    rule
        What was expected and what was found instead.
    actions, moves
        From the first position to the one where it shows; the same in both notations.
    others
        More sequences of moves, where one alone does not show it.
    board
        The position there, as `str` draws it.
    """

    def __init__(
        self,
        game: Game,
        promise: str,
        rule: str,
        *,
        actions: list[int],
        moves: list[str],
        board: str,
        others: list[list[str]] | None = None,
    ) -> None:
        self.promise = promise
        self.rule = rule
        self.actions = actions
        self.moves = moves
        self.others = others or []
        self.board = board
        lines = [f"{game!r}: {rule}", f"moves: {' '.join(moves) or 'none'}"]
        lines += [f"and: {' '.join(other) or 'none'}" for other in self.others]
        super().__init__("\n".join([*lines, board]))


class Looks(NamedTuple):
    """What the search and the network are shown of a position."""

    terminal: bool
    player: int
    legal: tuple[int, ...]
    packed_observation: bytes


class View(NamedTuple):
    """Everything that can be seen of a position; two that look alike must be alike."""

    terminal: bool
    player: int
    legal: list[int]
    returns: list[float]
    text: str
    history: str
    position_hash: int
    observation: bytes
    packed_observation: bytes

    @classmethod
    def of(cls, state: GameState) -> "View":
        return cls(
            terminal=state.is_terminal(),
            player=state.get_current_player(),
            legal=list(state.get_legal_actions()),
            returns=list(state.returns()),
            text=state.to_text(),
            history=state.history_text(),
            position_hash=state.position_hash(),
            observation=state.observation().tobytes(),
            packed_observation=state.packed_observation().tobytes(),
        )

    @property
    def looks(self) -> Looks:
        """What of it matters to the search and the network."""
        return Looks(self.terminal, self.player, tuple(self.legal), self.packed_observation)

    def differs(self, other: "View") -> str:
        """Names of the fields that differ, with both values where they are short."""
        pairs = zip(self._fields, self, other, strict=True)
        return ", ".join(
            name if isinstance(mine, bytes) else f"{name} ({mine!r} and {theirs!r})"
            for name, mine, theirs in pairs
            if mine != theirs
        )
