"""How each promise about one position is checked; each function raises through its reporter."""

import numpy as np
import numpy.typing as npt

from games import twins
from games.base import GameState
from games.contract.line import Line
from games.contract.promises import Reporter
from games.contract.view import View
from games.errors import GameError, IllegalActionError

__all__ = [
    "check_copies",
    "check_looking",
    "check_mirrors",
    "check_notation",
    "check_observation",
    "check_perft",
    "check_refusal",
    "check_returns",
    "check_text",
    "check_twins",
]

_PERFT_MOVES = 400


def check_looking(report: Reporter, state: GameState, view: View) -> None:
    if report.checks("looking"):
        str(state)
        report.same("looking at a state must not change it", view, View.of(state))


def check_refusal(report: Reporter, state: GameState, view: View) -> None:
    if not report.checks("refusal"):
        return
    illegal = sorted(set(range(report.game.num_actions)) - set(view.legal))
    sample = report.rng.sample(illegal, min(report.sample, len(illegal)))
    for action in (-1, report.game.num_actions, *sample):
        report.expect(
            IllegalActionError,
            f"apply_action({action}), which is not legal,",
            lambda action=action: state.apply_action(action),  # type: ignore[misc]
        )
        report.same("an illegal action must change nothing", view, View.of(state))


def check_returns(report: Reporter, view: View) -> None:
    if not report.checks("returns"):
        return
    if len(view.returns) != 2 or any(not -1 <= value <= 1 for value in view.returns):
        report.fail(f"returns must be two numbers in [-1, 1], got {view.returns}")
    if sum(view.returns) != 0:
        report.fail(f"returns must sum to zero, got {view.returns}")
    if not view.terminal and any(view.returns):
        report.fail(f"returns must be zeros before the end, got {view.returns}")


def check_observation(report: Reporter, state: GameState) -> None:
    if not report.checks("observation"):
        return
    game = report.game
    obs = state.observation()
    if obs.shape != game.observation_shape or obs.dtype != np.float32:
        report.fail(
            f"the observation must be {game.observation_shape} float32, got {obs.shape} {obs.dtype}"
        )
    if not np.isin(obs[: game.num_planes], (0, 1)).all():
        report.fail(f"the first {game.num_planes} planes of an observation must be 0 or 1")
    scalars = obs[game.num_planes :]
    if not np.isfinite(scalars).all() or (scalars != scalars[:, :1, :1]).any():
        report.fail("a scalar of an observation must be finite and the same in every cell")
    packed = state.packed_observation()
    if packed.shape != (game.observation_bytes,) or packed.dtype != np.uint8:
        report.fail(
            f"the packed observation must be ({game.observation_bytes},) uint8, "
            f"got {packed.shape} {packed.dtype}"
        )
    if (game.unpack(packed[None])[0] != obs).any():
        report.fail("the packed observation must unpack to the observation")


def check_notation(report: Reporter, line: Line, view: View) -> None:
    if not report.checks("notation"):
        return
    state = line.state
    moves = [state.action_to_move(action) for action in view.legal]
    if len({move.lower() for move in moves}) != len(moves):
        report.fail(f"legal moves must have different names, got {moves}")
    for number in report.rng.sample(range(len(moves)), min(report.sample, len(moves))):
        action, move = view.legal[number], moves[number]
        if move.split() != [move]:
            report.fail(f"a move must be a word, got {move!r}")
        if state.move_to_action(move) != action:
            report.fail(
                f"move_to_action must undo action_to_move, {action} became {move!r} "
                f"and then {state.move_to_action(move)}"
            )
    for nonsense in (
        "\0 nonsense",
        "",
        *(_garbled(report, move) for move in moves[:2] + line.moves[-1:]),
    ):
        try:
            action = state.move_to_action(nonsense)
        except IllegalActionError:
            continue
        except Exception as error:
            report.fail(
                f"move_to_action of nonsense, {nonsense!r}, must raise IllegalActionError, "
                f"got {error!r}"
            )
        if action not in view.legal:
            report.fail(
                f"move_to_action must give a legal action or raise IllegalActionError, "
                f"{nonsense!r} became {action!r}"
            )


def check_text(report: Reporter, state: GameState, view: View) -> None:
    if report.checks("text"):
        for what, text in (("to_text", view.text), ("history_text", view.history)):
            if not text or text.splitlines() != [text]:
                report.fail(f"{what} must be one line, got {text!r}")
        if not str(state):
            report.fail("str(state) must be a board for people, got nothing")
        whole = "to_text" if view.history == view.text else "history_text"
        again = report.game.state_from_text(view.history)
        report.same(f"state_from_text must undo {whole}", view, View.of(again))
        if view.history != view.text:
            text = report.game.state_from_text(view.text).to_text()
            if text != view.text:
                report.fail(f"state_from_text must undo to_text, {view.text!r} became {text!r}")
        for action in report.rng.sample(view.legal, min(2, len(view.legal))):
            ours, theirs = state.clone(), again.clone()
            ours.apply_action(action)
            theirs.apply_action(action)
            report.same(
                f"{whole} must hold all that decides the future, but after "
                f"{state.action_to_move(action)!r} state_from_text leads elsewhere",
                View.of(ours), View.of(theirs),
            )  # fmt: skip
    if report.checks("errors"):
        report.expect(
            GameError,
            "state_from_text of nonsense",
            lambda: report.game.state_from_text("\0 nonsense /"),
        )
        garbled = _garbled(report, _garbled(report, view.text))
        try:
            other = report.game.state_from_text(garbled)
        except GameError:
            return
        except Exception as error:
            report.fail(f"state_from_text({garbled!r}) must raise GameError, got {error!r}")
        View.of(other)


def check_twins(report: Reporter, state: GameState, view: View) -> None:
    if not report.checks("twins"):
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
            report.fail(f"the C twin must agree with the Python method: {name} does not")
    if view.terminal:
        # A float32 is what the twin can return.
        outcomes = [twins.outcome(state, player) for player in (0, 1)]
        if outcomes != [float(np.float32(value)) for value in view.returns]:
            report.fail(f"outcome_c must be {view.returns}, got {outcomes}")


def check_copies(report: Reporter, state: GameState, view: View, scratch: GameState) -> None:
    """`scratch` is copied into; it keeps what earlier positions left in it."""
    if not report.checks("clones"):
        return
    twins.copy_from(scratch, state)
    report.same("copy_from_c must copy everything", view, View.of(scratch))
    report.same("a clone must equal its original", view, View.of(state.clone()))
    for action in report.rng.sample(view.legal, min(2, len(view.legal))):
        played = state.clone()
        kept = played.clone()
        played.apply_action(action)
        after = View.of(played)
        report.same("playing on a clone must not change the original", view, View.of(state))
        report.same("playing on the original must not change a clone", view, View.of(kept))
        kept.apply_action(action)
        report.same("the same action must lead to the same position", after, View.of(kept))
        twins.copy_from(scratch, state)
        twins.apply(scratch, action)
        report.same("apply_c must play what apply_action plays", after, View.of(scratch))
        report.same("playing on a copy must not change the original", view, View.of(state))


def check_mirrors(report: Reporter, line: Line, view: View, cells: npt.NDArray[np.int32]) -> None:
    """`cells` [S, H*W]: what each symmetry shows where."""
    if not report.checks("symmetries"):
        return
    shape = report.game.observation_shape
    obs = np.frombuffer(view.observation, np.float32).reshape(shape[0], -1)
    for number, mirror in enumerate(line.mirrors):
        what = f"symmetry {number} must be one of the rules"
        seen = mirror.observation().reshape(shape[0], -1)
        if (seen != obs[:, cells[number]]).any():
            report.fail(f"{what}: the observation is not the permuted observation")
        image = line.images[number]
        legal, expected = mirror.get_legal_actions(), sorted(image[a] for a in view.legal)
        if legal != expected:
            report.fail(f"{what}: legal actions map to {expected}, expected {legal}")
        result = (mirror.is_terminal(), mirror.get_current_player(), list(mirror.returns()))
        if result != (view.terminal, view.player, view.returns):
            report.fail(f"{what}: is_terminal, player and returns are {result}")


def check_perft(report: Reporter, state: GameState, view: View) -> None:
    """Count moves in every way; it needs rules that are right one ply further."""
    if view.terminal or not report.checks("perft"):
        return
    depth = 2 if len(view.legal) ** 2 <= _PERFT_MOVES else 1
    counts = {
        "perft": twins.perft(state, depth),
        "perft again": twins.perft(state, depth),
        "perft of a clone": twins.perft(state.clone(), depth),
        "perft of the text": twins.perft(report.game.state_from_text(view.history), depth),
        "the Python methods": _count(state, depth),
    }
    if len({*counts.values()}) > 1:
        report.fail(f"all must count as many sequences of {depth} moves, got {counts}")
    report.same("counting moves must not change the position", view, View.of(state))


def _garbled(report: Reporter, text: str) -> str:
    """`text`, or `text` with a character lost, changed or added."""
    at = report.rng.randrange(len(text) + 1)
    new = report.rng.choice(("", *text, *"xo1-/ ?"))
    changed, longer = text[:at] + new + text[at + 1 :], text[:at] + new + text[at:]
    return report.rng.choice((text, changed, longer))


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
