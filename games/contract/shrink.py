"""From a broken promise to the shortest moves that show it."""

from collections import deque
from collections.abc import Sequence

from games.base import Game
from games.contract.examiner import Examiner
from games.contract.promises import PROMISES
from games.contract.view import ContractError

__all__ = ["explore", "shortest"]

# Positions to look at: breadth first, and by leaving moves out.
_BROAD = 800
_DELETIONS = 200


def explore(examiner: Examiner, num_positions: int, max_length: int) -> None:
    """Examine all sequences of moves, the shortest first, up to a number of positions.

    A position that comes about again is examined again, but followed once.
    """
    waiting: deque[list[int]] = deque([[]])
    followed = set()
    while waiting and num_positions > 0:
        line = examiner.new_line(waiting.popleft())
        view = examiner.examine(line)
        num_positions -= 1
        position = (view.history, view.player)
        if position not in followed and len(line.actions) < max_length:
            followed.add(position)
            waiting.extend([*line.actions, action] for action in view.legal)


def shortest(game: Game, broken: ContractError, seed: int) -> ContractError:
    """`broken`, or the same promise broken after fewer moves.

    First moves are left out of the sequence that is known, then everything shorter is tried,
    as far as a bounded effort goes: a small game's answer is the shortest there is.
    """
    broken = _without_moves(game, broken, seed)
    examiner = _examiner(game, broken, seed)
    try:
        # Two lines of the same length may be needed to show it, as with hashes.
        explore(examiner, _BROAD, len(broken.actions) - (not broken.others))
    except ContractError as shorter:
        if _length(shorter) < _length(broken):
            return shorter
    return broken


def _length(broken: ContractError) -> int:
    return len(broken.moves) + sum(map(len, broken.others))


def _examiner(game: Game, broken: ContractError, seed: int) -> Examiner:
    # Any check may meet an error that is none of its own.
    only = PROMISES if broken.promise == "errors" else {broken.promise}
    examiner = Examiner(game, seed=seed, only=only, thorough=True)
    examiner.check_game()
    return examiner


def _without_moves(game: Game, broken: ContractError, seed: int) -> ContractError:
    # Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (2002): leave out
    # runs of moves, long ones first; moves that are then illegal are left out as well.
    tries = _DELETIONS
    size = max(1, len(broken.actions) // 2)
    while True:
        start = 0
        while start < len(broken.actions):
            if tries == 0:
                return broken
            tries -= 1
            kept = broken.actions[:start] + broken.actions[start + size :]
            found = _first_failure(game, kept, broken, seed)
            if found is not None and len(found.actions) < len(broken.actions):
                broken = found
            else:
                start += size
        if size == 1:
            return broken
        size //= 2


def _first_failure(
    game: Game, actions: Sequence[int], broken: ContractError, seed: int
) -> ContractError | None:
    examiner = _examiner(game, broken, seed)
    try:
        line = examiner.new_line()
        view = examiner.examine(line)
        for action in actions:
            if action in view.legal:
                examiner.play(line, action)
                view = examiner.examine(line)
    except ContractError as error:
        return error if error.promise == broken.promise else None
    return None
