"""The promises by name, and how a broken one is reported."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from games.base import Game
from games.contract.line import Line
from games.contract.view import ContractError, View
from games.errors import GameError

__all__ = ["PROMISES", "Reporter"]

PROMISES = {
    "sizes": "sizes and symmetry tables are well formed",
    "errors": "only GameError is raised, whatever the text",
    "legal": "legal actions increase, fit the sizes; none means the end",
    "refusal": "an illegal action is refused and changes nothing",
    "length": "no game is longer than max_game_length",
    "returns": "results sum to zero and go to the right player",
    "observation": "the observation has its shape, packs and unpacks",
    "notation": "moves are words, one an action, and read back",
    "text": "the text reads back and holds all that decides the future",
    "equal": "equal positions look alike, however they came about",
    "hash": "equal positions hash equally, different ones differently",
    "looking": "looking at a position does not change it",
    "clones": "clones and copies are complete and independent",
    "twins": "the C twins agree with the Python methods",
    "symmetries": "symmetries keep rules, observation and actions",
    "perft": "counting moves gives the same in every way",
}

# Costs grow with the square of the number of actions; a sample of each position's will do.
_SAMPLE = 8
_THOROUGH_SAMPLE = 64


class Reporter:
    """Counts what is checked, and blames what fails on the line being played.

    Parameters
    ----------
    game
        The game.
    seed
        Of what is sampled; the same sequence of actions meets the same samples.
    only
        The promises to check; all by default.
    thorough
        Whether to try more actions at each position, and to count moves there.
    """

    def __init__(
        self, game: Game, *, seed: int = 0, only: Collection[str] = (*PROMISES,),
        thorough: bool = False,
    ) -> None:  # fmt: skip
        self.game = game
        self.seed = seed
        self.only = frozenset(only)
        self.thorough = thorough
        self.sample = _THOROUGH_SAMPLE if thorough else _SAMPLE
        self.checked: Counter[str] = Counter()
        self.promise = "errors"  # being checked
        self.line: Line | None = None  # being played
        self.rng = random.Random(seed)

    def fail(self, rule: str, *, others: list[list[str]] | None = None) -> NoReturn:
        line = self.line
        raise ContractError(
            self.game, self.promise, rule, others=others,
            actions=list(line.actions) if line else [], moves=list(line.moves) if line else [],
            board=line.board() if line else "",
        )  # fmt: skip

    @contextmanager
    def no_other_error(self) -> Iterator[None]:
        """What the game itself raises unasked breaks the contract as well."""
        try:
            yield
        except ContractError:
            raise
        except Exception as error:
            try:
                self.promise = "errors"
                self.fail(f"the game raised {error!r}")
            except ContractError as broken:
                raise broken from error

    def checks(self, promise: str) -> bool:
        """Whether to check it now; if so it is counted."""
        if promise not in self.only:
            return False
        self.promise = promise
        self.checked[promise] += 1
        return True

    def same(self, what: str, mine: View, theirs: View) -> None:
        if mine != theirs:
            self.fail(f"{what}: they differ in {mine.differs(theirs)}")

    def expect(self, kind: type[GameError], what: str, call: Callable[[], Any]) -> None:
        try:
            call()
        except kind:
            return
        except Exception as error:
            self.fail(f"{what} must raise {kind.__name__}, got {error!r}")
        self.fail(f"{what} must raise {kind.__name__}, got no error")
