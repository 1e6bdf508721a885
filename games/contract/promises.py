"""The promises, and how each is checked at one position of one line of play."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from games import twins
from games.base import Game, GameState
from games.contract.line import Line, inverse
from games.contract.view import ContractError, View
from games.errors import GameError, IllegalActionError

__all__ = ["PROMISES", "Examiner"]

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
_PERFT_MOVES = 400


class Examiner:
    """Checks positions, and remembers them: some promises are about several.

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
        self.images: list[list[int]] = []
        self.cells = np.zeros((0, 0), np.int32)
        self.scratch: GameState | None = None  # keeps what earlier positions left in it
        self.by_position: dict[tuple[str, int], tuple[View, list[str]]] = {}
        self.by_hash: dict[int, tuple[str, int]] = {}

    # -- reporting ------------------------------------------------------------------------

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
            self.check_looking(line.state, view)
            self.check_copies(line.state, view)  # before anything that needs clones
            self.check_refusal(line.state, view)
            self.check_returns(view)
            self.check_observation(line.state)
            self.check_notation(line, view)
            self.check_text(line.state, view)
            self.remember(line, view)
            self.check_twins(line.state, view)
            self.check_mirrors(line, view)
            if self.thorough:
                self.check_perft(line.state, view)
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

    def check_looking(self, state: GameState, view: View) -> None:
        if self.checks("looking"):
            str(state)
            self.same("looking at a state must not change it", view, View.of(state))

    def check_refusal(self, state: GameState, view: View) -> None:
        if not self.checks("refusal"):
            return
        illegal = sorted(set(range(self.game.num_actions)) - set(view.legal))
        sample = self.rng.sample(illegal, min(self.sample, len(illegal)))
        for action in (-1, self.game.num_actions, *sample):
            self.expect(
                IllegalActionError,
                f"apply_action({action}), which is not legal,",
                lambda action=action: state.apply_action(action),  # type: ignore[misc]
            )
            self.same("an illegal action must change nothing", view, View.of(state))

    def check_returns(self, view: View) -> None:
        if not self.checks("returns"):
            return
        if len(view.returns) != 2 or any(not -1 <= value <= 1 for value in view.returns):
            self.fail(f"returns must be two numbers in [-1, 1], got {view.returns}")
        if sum(view.returns) != 0:
            self.fail(f"returns must sum to zero, got {view.returns}")
        if not view.terminal and any(view.returns):
            self.fail(f"returns must be zeros before the end, got {view.returns}")

    def check_observation(self, state: GameState) -> None:
        if not self.checks("observation"):
            return
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

    def check_notation(self, line: Line, view: View) -> None:
        if not self.checks("notation"):
            return
        state = line.state
        moves = [state.action_to_move(action) for action in view.legal]
        if len({move.lower() for move in moves}) != len(moves):
            self.fail(f"legal moves must have different names, got {moves}")
        for number in self.rng.sample(range(len(moves)), min(self.sample, len(moves))):
            action, move = view.legal[number], moves[number]
            if move.split() != [move]:
                self.fail(f"a move must be a word, got {move!r}")
            if state.move_to_action(move) != action:
                self.fail(
                    f"move_to_action must undo action_to_move, {action} became {move!r} "
                    f"and then {state.move_to_action(move)}"
                )
        for nonsense in ("\0 nonsense", "", *map(self.garbled, moves[:2] + line.moves[-1:])):
            try:
                action = state.move_to_action(nonsense)
            except IllegalActionError:
                continue
            except Exception as error:
                self.fail(
                    f"move_to_action of nonsense, {nonsense!r}, must raise IllegalActionError, "
                    f"got {error!r}"
                )
            if action not in view.legal:
                self.fail(
                    f"move_to_action must give a legal action or raise IllegalActionError, "
                    f"{nonsense!r} became {action!r}"
                )

    def garbled(self, text: str) -> str:
        """`text`, or `text` with a character lost, changed or added."""
        at = self.rng.randrange(len(text) + 1)
        new = self.rng.choice(("", *text, *"xo1-/ ?"))
        changed, longer = text[:at] + new + text[at + 1 :], text[:at] + new + text[at:]
        return self.rng.choice((text, changed, longer))

    def check_text(self, state: GameState, view: View) -> None:
        if self.checks("text"):
            if not view.text or view.text.splitlines() != [view.text]:
                self.fail(f"to_text must be one line, got {view.text!r}")
            if not str(state):
                self.fail("str(state) must be a board for people, got nothing")
            again = self.game.state_from_text(view.text)
            self.same("state_from_text must undo to_text", view, View.of(again))
            for action in self.rng.sample(view.legal, min(2, len(view.legal))):
                ours, theirs = state.clone(), again.clone()
                ours.apply_action(action)
                theirs.apply_action(action)
                self.same(
                    f"to_text must hold all that decides the future, but after "
                    f"{state.action_to_move(action)!r} state_from_text leads elsewhere",
                    View.of(ours), View.of(theirs),
                )  # fmt: skip
        if self.checks("errors"):
            self.expect(
                GameError,
                "state_from_text of nonsense",
                lambda: self.game.state_from_text("\0 nonsense /"),
            )
            garbled = self.garbled(self.garbled(view.text))
            try:
                other = self.game.state_from_text(garbled)
            except GameError:
                return
            except Exception as error:
                self.fail(f"state_from_text({garbled!r}) must raise GameError, got {error!r}")
            View.of(other)

    def remember(self, line: Line, view: View) -> None:
        """Compare with the positions before."""
        position = (view.text, view.player)
        before, moves = self.by_position.setdefault(position, (view, list(line.moves)))
        if self.checks("equal"):
            # A hash has a promise of its own.
            mine, theirs = (v._replace(position_hash=0) for v in (view, before))
            if mine != theirs:
                self.fail(
                    f"equal positions must look alike, {view.text!r} comes about in two ways "
                    f"that differ in {mine.differs(theirs)}",
                    others=[moves],
                )
        if self.checks("hash"):
            self.check_hash(position, view.position_hash)

    def check_hash(self, position: tuple[str, int], position_hash: int) -> None:
        before, moves = self.by_position[position]
        if before.position_hash != position_hash:
            self.fail(
                f"equal positions must hash equally, got {before.position_hash} and "
                f"{position_hash}",
                others=[moves],
            )
        other = self.by_hash.setdefault(position_hash, position)
        if other != position:
            self.fail(
                f"different positions must hash differently, {other} and {position} do not",
                others=[self.by_position[other][1]],
            )

    def check_twins(self, state: GameState, view: View) -> None:
        if not self.checks("twins"):
            return
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

    def check_copies(self, state: GameState, view: View) -> None:
        if not self.checks("clones"):
            return
        if self.scratch is None:
            self.scratch = self.game.initial_state()
        twins.copy_from(self.scratch, state)
        self.same("copy_from_c must copy everything", view, View.of(self.scratch))
        self.same("a clone must equal its original", view, View.of(state.clone()))
        for action in self.rng.sample(view.legal, min(2, len(view.legal))):
            played = state.clone()
            kept = played.clone()
            played.apply_action(action)
            after = View.of(played)
            self.same("playing on a clone must not change the original", view, View.of(state))
            self.same("playing on the original must not change a clone", view, View.of(kept))
            kept.apply_action(action)
            self.same("the same action must lead to the same position", after, View.of(kept))
            twins.copy_from(self.scratch, state)
            twins.apply(self.scratch, action)
            self.same("apply_c must play what apply_action plays", after, View.of(self.scratch))
            self.same("playing on a copy must not change the original", view, View.of(state))

    def check_mirrors(self, line: Line, view: View) -> None:
        if not self.checks("symmetries"):
            return
        shape = self.game.observation_shape
        obs = np.frombuffer(view.observation, np.float32).reshape(shape[0], -1)
        for number, mirror in enumerate(line.mirrors):
            what = f"symmetry {number} must be one of the rules"
            seen = mirror.observation().reshape(shape[0], -1)
            if (seen != obs[:, self.cells[number]]).any():
                self.fail(f"{what}: the observation is not the permuted observation")
            image = self.images[number]
            legal, expected = mirror.get_legal_actions(), sorted(image[a] for a in view.legal)
            if legal != expected:
                self.fail(f"{what}: legal actions map to {expected}, expected {legal}")
            result = (mirror.is_terminal(), mirror.get_current_player(), list(mirror.returns()))
            if result != (view.terminal, view.player, view.returns):
                self.fail(f"{what}: is_terminal, player and returns are {result}")

    def check_perft(self, state: GameState, view: View) -> None:
        """Count moves in every way; it needs rules that are right one ply further."""
        if view.terminal or not self.checks("perft"):
            return
        depth = 2 if len(view.legal) ** 2 <= _PERFT_MOVES else 1
        counts = {
            "perft": twins.perft(state, depth),
            "perft again": twins.perft(state, depth),
            "perft of a clone": twins.perft(state.clone(), depth),
            "perft of the text": twins.perft(self.game.state_from_text(view.text), depth),
            "the Python methods": _count(state, depth),
        }
        if len({*counts.values()}) > 1:
            self.fail(f"all must count as many sequences of {depth} moves, got {counts}")
        self.same("counting moves must not change the position", view, View.of(state))


def _count(state: GameState, depth: int) -> int:
    legal = state.get_legal_actions()
    if depth == 1:
        return len(legal)
    total = 0
    for action in legal:
        child = state.clone()
        child.apply_action(action)
        total += _count(child, depth - 1)
    return total
