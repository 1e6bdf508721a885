"""What every game promises, checked by playing it at random.

The search relies on these rules without looking: a game that breaks one trains on nonsense
instead of failing. A plug-in's tests should call `check_game`.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn

import numpy as np

from games import twins
from games.base import Game, GameState
from games.errors import GameError, IllegalActionError
from games.registry import make

__all__ = ["ContractError", "check_game"]

# Costs grow with the square of the number of actions; a sample of each position's will do.
_SAMPLE = 8


class ContractError(GameError):
    """A rule that a game breaks, with the moves that show it."""

    def __init__(self, game: Game, rule: str, moves: list[str], board: str) -> None:
        super().__init__(f"{game!r}: {rule}\nmoves: {' '.join(moves) or 'none'}\n{board}")
        self.rule = rule
        self.moves = moves


class _View(NamedTuple):
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
    def of(cls, state: GameState) -> "_View":
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

    def differs(self, other: "_View") -> str:
        """Names of the fields that differ, with both values where they are short."""
        pairs = zip(self._fields, self, other, strict=True)
        return ", ".join(
            name if isinstance(mine, bytes) else f"{name} ({mine!r} and {theirs!r})"
            for name, mine, theirs in pairs
            if mine != theirs
        )


class _Looks(NamedTuple):
    """What the search and the network are shown of a position."""

    terminal: bool
    player: int
    legal: tuple[int, ...]
    packed_observation: bytes


def check_game(game_or_name: Game | str, *, num_games: int = 50, seed: int = 0) -> None:
    """Play random games and check every rule of the contract at every position.

    Parameters
    ----------
    game_or_name
        A game, or what `games.make` takes.
    num_games
        Games to play, >= 1.
    seed
        Of the moves; the same seed plays the same games.

    Raises
    ------
    ContractError
        Naming the first rule that was broken, the moves that show it and the board.
    """
    if num_games < 1:
        raise ValueError(f"num_games must be >= 1, got {num_games}")
    game = make(game_or_name) if isinstance(game_or_name, str) else game_or_name
    checker = _Checker(game, random.Random(seed))
    with checker.no_other_error():
        checker.check_tables()
        for _ in range(num_games):
            checker.check_one_game()


class _Checker:
    def __init__(self, game: Game, rng: random.Random) -> None:
        self.game = game
        self.rng = rng
        self.moves: list[str] = []
        self.state: GameState | None = None
        self.scratch: GameState | None = None  # keeps what earlier positions left in it
        self.by_hash: dict[int, tuple[_Looks, str]] = {}
        self.by_position: dict[tuple[str, int], int] = {}

    # -- reporting ------------------------------------------------------------------------

    def fail(self, rule: str) -> NoReturn:
        raise ContractError(self.game, rule, self.moves, self.board())

    def board(self) -> str:
        try:
            return "" if self.state is None else str(self.state)
        except Exception as error:
            return f"(str(state) raised {error!r})"

    @contextmanager
    def no_other_error(self) -> Iterator[None]:
        """What the game itself raises unasked breaks the contract as well."""
        try:
            yield
        except ContractError:
            raise
        except Exception as error:
            message = f"the game raised {error!r}"
            raise ContractError(self.game, message, self.moves, self.board()) from error

    def same(self, what: str, mine: _View, theirs: _View) -> None:
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

    # -- the tables of the game -----------------------------------------------------------

    def check_tables(self) -> None:
        game = self.game
        self.cells, self.actions = game.symmetries()
        cells, actions = game.rows * game.columns, game.num_actions
        for what, table, width in (
            ("cells", self.cells, cells),
            ("actions", self.actions, actions),
        ):
            if table.shape != (len(self.cells), width) or table.dtype != np.int32:
                self.fail(
                    f"symmetries must have {what} [S, {width}] int32, got {list(table.shape)} "
                    f"{table.dtype}"
                )
            if not len(table) or (table[0] != np.arange(width)).any():
                self.fail(f"symmetries must begin with the identity, the {what} do not")
            if (np.sort(table, axis=1) != np.arange(width)).any():
                self.fail(f"symmetries must be permutations, the {what} are not")
        # Where symmetry s shows what was action a.
        self.images = np.argsort(self.actions, axis=1).tolist()
        if not 1 <= game.max_legal_actions <= actions:
            self.fail(
                f"max_legal_actions must be in [1, num_actions = {actions}], "
                f"got {game.max_legal_actions}"
            )
        self.expect(
            GameError, "state_from_text of nonsense", lambda: game.state_from_text("\0 nonsense /")
        )

    # -- one game -------------------------------------------------------------------------

    def check_one_game(self) -> None:
        self.moves = []
        state = self.state = self.game.initial_state()
        # The same game played on every symmetric board; the first is the same board.
        mirrors = [self.game.initial_state() for _ in self.images]
        for ply in range(self.game.max_game_length + 1):
            view = _View.of(state)
            self.check_position(state, view)
            self.check_mirrors(view, mirrors)
            if view.terminal:
                return
            if ply == self.game.max_game_length:
                self.fail(f"the game goes on after max_game_length = {ply} plies")
            action = self.rng.choice(view.legal)
            self.check_move(state, view, action)
            self.moves.append(state.action_to_move(action))
            state.apply_action(action)
            for mirror, image in zip(mirrors, self.images, strict=True):
                mirror.apply_action(image[action])

    def check_position(self, state: GameState, view: _View) -> None:
        self.check_legal(state, view)
        self.check_returns(view)
        self.check_observation(state)
        self.check_notation(state, view)
        self.check_text(state, view)
        self.check_hash(view)
        self.same("looking at a state must not change it", view, _View.of(state))
        self.check_twins(state, view)

    def check_legal(self, state: GameState, view: _View) -> None:
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
            self.fail(f"{len(legal)} legal actions exceed max_legal_actions")
        illegal = sorted(set(range(game.num_actions)) - set(legal))
        sample = self.rng.sample(illegal, min(_SAMPLE, len(illegal)))
        for action in (-1, game.num_actions, *sample):
            self.expect(
                IllegalActionError,
                f"apply_action({action}), which is not legal,",
                lambda action=action: state.apply_action(action),  # type: ignore[misc]
            )
        self.expect(
            IllegalActionError,
            "move_to_action of nonsense",
            lambda: state.move_to_action("\0 nonsense"),
        )
        self.same("an illegal action must change nothing", view, _View.of(state))

    def check_returns(self, view: _View) -> None:
        if len(view.returns) != 2 or any(not -1 <= value <= 1 for value in view.returns):
            self.fail(f"returns must be two numbers in [-1, 1], got {view.returns}")
        if sum(view.returns) != 0:
            self.fail(f"returns must sum to zero, got {view.returns}")
        if not view.terminal and any(view.returns):
            self.fail(f"returns must be zeros before the end, got {view.returns}")

    def check_observation(self, state: GameState) -> None:
        game = self.game
        obs = state.observation()
        if obs.shape != game.observation_shape or obs.dtype != np.float32:
            self.fail(
                f"the observation must be {game.observation_shape} float32, "
                f"got {obs.shape} {obs.dtype}"
            )
        if not np.isin(obs[: game.num_planes], (0, 1)).all():
            self.fail(f"the first {game.num_planes} planes of an observation must be 0 or 1")
        scalars = obs[game.num_planes :]
        if not np.isfinite(scalars).all() or (scalars != scalars[:, :1, :1]).any():
            self.fail("a scalar of an observation must be finite and the same in every cell")
        packed = state.packed_observation()
        if packed.shape != (game.observation_bytes,) or packed.dtype != np.uint8:
            self.fail(
                f"the packed observation must be ({game.observation_bytes},) uint8, "
                f"got {packed.shape} {packed.dtype}"
            )
        if (game.unpack(packed[None])[0] != obs).any():
            self.fail("the packed observation must unpack to the observation")

    def check_notation(self, state: GameState, view: _View) -> None:
        moves = [state.action_to_move(action) for action in view.legal]
        if len({move.lower() for move in moves}) != len(moves):
            self.fail(f"legal moves must have different names, got {moves}")
        for action in self.rng.sample(view.legal, min(_SAMPLE, len(view.legal))):
            move = state.action_to_move(action)
            if move.split() != [move]:
                self.fail(f"a move must be a word, got {move!r}")
            if state.move_to_action(move) != action:
                self.fail(
                    f"move_to_action must undo action_to_move, {action} became {move!r} "
                    f"and then {state.move_to_action(move)}"
                )

    def check_text(self, state: GameState, view: _View) -> None:
        for what, text in (("to_text", view.text), ("history_text", view.history)):
            if not text or text.splitlines() != [text]:
                self.fail(f"{what} must be one line, got {text!r}")
        if not str(state):
            self.fail("str(state) must be a board for people, got nothing")
        again = _View.of(self.game.state_from_text(view.history))
        if view.history == view.text:
            self.same("state_from_text must undo to_text", view, again)
            return
        self.same("state_from_text must undo history_text", view, again)
        text = self.game.state_from_text(view.text).to_text()
        if text != view.text:
            self.fail(f"state_from_text must undo to_text, {view.text!r} became {text!r}")

    def check_hash(self, view: _View) -> None:
        position = (view.history, view.player)
        before = self.by_position.setdefault(position, view.position_hash)
        if before != view.position_hash:
            self.fail(f"equal positions must hash equally, got {before} and {view.position_hash}")
        # A text may count moves, which decide nothing; what is shown to a network must agree.
        looks = _Looks(view.terminal, view.player, tuple(view.legal), view.packed_observation)
        other, text = self.by_hash.setdefault(view.position_hash, (looks, view.history))
        if other != looks:
            self.fail(
                f"different positions must hash differently, {text!r} and {view.history!r} do not"
            )

    def check_twins(self, state: GameState, view: _View) -> None:
        agree = {
            "is_terminal_c": twins.is_terminal(state) == view.terminal,
            "current_player_c": twins.current_player(state) == view.player,
            "hash_c": twins.position_hash(state) == view.position_hash,
            # Whatever was in the memory before.
            "observe_c": all(
                twins.observe(state, fill).tobytes() == view.packed_observation for fill in (0, 255)
            ),
            "legal_actions_c": view.terminal or twins.legal_actions(state) == view.legal,
        }
        for name, agrees in agree.items():
            if not agrees:
                self.fail(f"the C twin must agree with the Python method: {name} does not")
        if view.terminal:
            # A float32 is what the twin can return.
            outcomes = [twins.outcome(state, player) for player in (0, 1)]
            if outcomes != [float(np.float32(value)) for value in view.returns]:
                self.fail(f"outcome_c must be {view.returns}, got {outcomes}")
        if self.scratch is None:
            self.scratch = self.game.initial_state()
        twins.copy_from(self.scratch, state)
        self.same("copy_from_c must copy everything", view, _View.of(self.scratch))

    def check_move(self, state: GameState, view: _View, action: int) -> None:
        played = state.clone()
        kept = played.clone()
        self.same("a clone must equal its original", view, _View.of(played))
        played.apply_action(action)
        after = _View.of(played)
        self.same("playing on a clone must not change the original", view, _View.of(state))
        self.same("playing on the original must not change a clone", view, _View.of(kept))
        kept.apply_action(action)
        self.same("the same action must lead to the same position", after, _View.of(kept))
        assert self.scratch is not None  # check_twins has just made it a copy of state
        twins.apply(self.scratch, action)
        self.same("apply_c must play what apply_action plays", after, _View.of(self.scratch))
        self.same("playing on a copy must not change the original", view, _View.of(state))

    def check_mirrors(self, view: _View, mirrors: list[GameState]) -> None:
        shape = self.game.observation_shape
        obs = np.frombuffer(view.observation, np.float32).reshape(shape[0], -1)
        for number, mirror in enumerate(mirrors):
            what = f"symmetry {number} must be one of the rules"
            seen = mirror.observation().reshape(shape[0], -1)
            if (seen != obs[:, self.cells[number]]).any():
                self.fail(f"{what}: the observation is not the permuted observation")
            legal = sorted(int(self.actions[number][a]) for a in mirror.get_legal_actions())
            if legal != view.legal:
                self.fail(f"{what}: legal actions map to {legal}, expected {view.legal}")
            result = (mirror.is_terminal(), mirror.get_current_player(), list(mirror.returns()))
            if result != (view.terminal, view.player, view.returns):
                self.fail(f"{what}: is_terminal, player and returns are {result}")
