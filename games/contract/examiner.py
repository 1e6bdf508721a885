"""Examines positions, and remembers them: some promises are about several."""

import random
from collections.abc import Collection, Iterable

import numpy as np

from games.base import Game, GameState
from games.contract import checks
from games.contract.line import Line, inverse
from games.contract.promises import PROMISES, Reporter
from games.contract.view import Looks, View
from games.errors import IllegalActionError

__all__ = ["Examiner"]


class Examiner(Reporter):
    """Checks positions, and remembers them: some promises are about several.

    The parameters are those of `Reporter`.
    """

    def __init__(
        self, game: Game, *, seed: int = 0, only: Collection[str] = (*PROMISES,),
        thorough: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(game, seed=seed, only=only, thorough=thorough)
        self.images: list[list[int]] = []
        self.cells = np.zeros((0, 0), np.int32)
        self.scratch: GameState | None = None  # keeps what earlier positions left in it
        self.by_position: dict[tuple[str, int], tuple[View, list[str]]] = {}
        self.by_hash: dict[int, tuple[Looks | tuple[str, int], tuple[str, int]]] = {}

    # -- the game -------------------------------------------------------------------------

    def check_game(self) -> None:
        """The tables; they are needed before anything can be played."""
        self.line = None
        with self.no_other_error():
            self.checks("sizes")
            game = self.game
            cells, actions = game.symmetries()
            for what, table, width in (
                ("cells", cells, game.rows * game.columns),
                ("actions", actions, game.num_actions),
            ):
                if table.shape != (len(cells), width) or table.dtype != np.int32:
                    self.fail(
                        f"symmetries must have {what} [S, {width}] int32, got "
                        f"{list(table.shape)} {table.dtype}"
                    )
                if not len(table) or (table[0] != np.arange(width)).any():
                    self.fail(f"symmetries must begin with the identity, the {what} do not")
                if (np.sort(table, axis=1) != np.arange(width)).any():
                    self.fail(f"symmetries must be permutations, the {what} are not")
            if not 1 <= game.max_legal_actions <= game.num_actions:
                self.fail(
                    f"max_legal_actions must be in [1, num_actions = {game.num_actions}], "
                    f"got {game.max_legal_actions}"
                )
            self.cells, self.images = cells, inverse(actions)

    def new_line(self, actions: Iterable[int] = (), *, mirrored: bool = True) -> Line:
        """A game to play; what goes wrong from now on is blamed on it."""
        self.line = None
        with self.no_other_error():
            self.line = Line(self.game, self.images if mirrored else [])
        for action in actions:
            self.play(self.line, action)
        return self.line

    def play(self, line: Line, action: int) -> None:
        """Play a legal action, on the symmetric boards as well."""
        self.line = line
        with self.no_other_error():
            line.play(action)
            for number, image in enumerate(line.images):
                try:
                    line.mirrors[number].apply_action(image[action])
                except IllegalActionError as error:
                    if self.checks("symmetries"):
                        self.fail(f"symmetry {number} must be one of the rules: {error}")
                    raise

    # -- one position ---------------------------------------------------------------------

    def examine(self, line: Line) -> View:
        """Check every promise where `line` stands."""
        self.line = line
        self.rng = random.Random(hash((self.seed, *line.actions)))
        with self.no_other_error():
            view = self.glance(line)
            checks.check_looking(self, line.state, view)
            self.check_clones(line.state, view)  # before anything that needs clones
            checks.check_refusal(self, line.state, view)
            checks.check_returns(self, view)
            checks.check_observation(self, line.state)
            checks.check_notation(self, line, view)
            checks.check_text(self, line.state, view)
            self.remember(line, view)
            checks.check_twins(self, line.state, view)
            checks.check_mirrors(self, line, view, self.cells)
            if self.thorough:
                checks.check_perft(self, line.state, view)
        return view

    def glance(self, line: Line) -> View:
        """Check what costs little: legal actions, the end."""
        self.line = line
        with self.no_other_error():
            view = View.of(line.state)
            if self.checks("legal"):
                self.check_legal(line.state, view)
            if self.checks("length") and not view.terminal:
                ply = len(line.actions)
                if ply >= self.game.max_game_length:
                    self.fail(f"the game goes on after max_game_length = {ply} plies")
        return view

    def check_clones(self, state: GameState, view: View) -> None:
        if self.scratch is None:
            self.scratch = self.game.initial_state()
        checks.check_copies(self, state, view, self.scratch)

    def check_legal(self, state: GameState, view: View) -> None:
        game, legal = self.game, view.legal
        if state.game is not game:
            self.fail("a state's game must be the game that made it")
        if view.player not in (0, 1):
            self.fail(f"the current player must be 0 or 1, got {view.player!r}")
        if legal != sorted(set(legal)):
            self.fail(f"legal actions must be sorted and unique, got {legal}")
        if legal and not 0 <= legal[0] <= legal[-1] < game.num_actions:
            self.fail(f"legal actions must be in [0, {game.num_actions}), got {legal}")
        if (not legal) != view.terminal:
            self.fail(
                f"legal actions must be empty if and only if the game is over, got {legal} "
                f"and is_terminal() = {view.terminal}"
            )
        if len(legal) > game.max_legal_actions:
            self.fail(
                f"{len(legal)} legal actions exceed max_legal_actions = {game.max_legal_actions}"
            )

    def remember(self, line: Line, view: View) -> None:
        """Compare with the positions before."""
        position = (view.history, view.player)
        before, moves = self.by_position.setdefault(position, (view, list(line.moves)))
        if self.checks("equal"):
            # A hash has a promise of its own.
            mine, theirs = (v._replace(position_hash=0) for v in (view, before))
            if mine != theirs:
                self.fail(
                    f"equal positions must look alike, {view.history!r} comes about in two ways "
                    f"that differ in {mine.differs(theirs)}",
                    others=[moves],
                )
        if self.checks("hash"):
            # A history names more than decides the future; then what is shown must agree.
            plain = type(line.state).history_text is GameState.history_text
            self.check_hash(position, view.position_hash, position if plain else view.looks)

    def check_hash(
        self, position: tuple[str, int], position_hash: int, identity: Looks | tuple[str, int]
    ) -> None:
        before, moves = self.by_position[position]
        if before.position_hash != position_hash:
            self.fail(
                f"equal positions must hash equally, got {before.position_hash} and "
                f"{position_hash}",
                others=[moves],
            )
        known, other = self.by_hash.setdefault(position_hash, (identity, position))
        if known != identity:
            self.fail(
                f"different positions must hash differently, {other} and {position} do not",
                others=[self.by_position[other][1]],
            )
