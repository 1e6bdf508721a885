"""The order of the examination: the tables, short lines, whole games, many positions."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from games.base import Game
from games.contract.checks import check_perft
from games.contract.examiner import Examiner
from games.contract.line import STYLES, Line, Memory, Style, planless
from games.contract.shrink import explore, shortest
from games.contract.view import ContractError, View
from games.registry import make

__all__ = ["Report", "check_game"]

# Positions examined one by one before whole games are played, and hashed for each game played.
_SHORT_LINES = 120
_HASHES_PER_GAME = 200
# Positions of one game that are examined, as good as always; of the others only what costs little.
_EXAMINED = 40
# Positions of one game from which moves are counted.
_COUNTED = 3
# Decided games from which it is told that only one player wins, and more games to help the other.
_DECIDED = 40
_HELPED = 24


@dataclass(slots=True, kw_only=True)
class Report:
    """What was checked, and how often, when a game has kept every promise."""

    game: str
    """How to make it."""
    num_games: int = 0
    """Whole games played."""
    num_positions: int = 0
    """Different positions that were compared with each other."""
    longest: int = 0
    """Plies of the longest game."""
    most_legal: int = 0
    """Legal actions of the position with the most."""
    checked: dict[str, int] = field(default_factory=dict)
    """How often each promise was checked."""


def check_game(
    game_or_name: Game | str,
    *,
    num_games: int = 50,
    seed: int = 0,
    seconds: float | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Play a game in all manners and check every promise of the contract.

    Parameters
    ----------
    game_or_name
        A game, or what `games.make` takes.
    num_games
        Games to play, >= 1.
    seed
        Of the moves; the same seed plays the same games.
    seconds
        No new game is begun after so long; None: no limit.
    progress
        Called with the number of games played so far.

    Raises
    ------
    ContractError
        Naming the promise that was broken, the shortest moves found that show it and the board.
    """
    if num_games < 1:
        raise ValueError(f"num_games must be >= 1, got {num_games}")
    game = make(game_or_name) if isinstance(game_or_name, str) else game_or_name
    doctor = _Doctor(game, seed)
    try:
        doctor.examine(num_games, seconds, progress)
    except ContractError as broken:
        raise shortest(game, broken, seed) from broken.__cause__
    doctor.check_winners()
    return doctor.report


class _Doctor:
    def __init__(self, game: Game, seed: int) -> None:
        self.game = game
        self.examiner = Examiner(game, seed=seed)
        self.memory = Memory(random.Random(seed))
        self.report = Report(game=repr(game))
        # (player who moved last, winner) -> how often, and the shortest game of them.
        self.wins: dict[tuple[int, int], tuple[int, Line]] = {}

    def examine(
        self, num_games: int, seconds: float | None, progress: Callable[[int], None]
    ) -> None:
        deadline = time.monotonic() + seconds if seconds is not None else float("inf")
        self.examiner.check_game()
        explore(self.examiner, _SHORT_LINES, self.game.max_game_length)
        for number in range(num_games):
            if number and time.monotonic() > deadline:
                break
            self.play(STYLES[number % len(STYLES)])
            self.hash_positions()
            progress(number + 1)
        if (winner := self.only_winner()) is not None:
            self.help_the_loser(winner)
        self.report.num_positions = len(self.examiner.by_position)
        self.report.checked = dict(self.examiner.checked)

    def play(self, style: Style) -> None:
        """One game, every position of it checked if it is not too long."""
        examiner, memory, report = self.examiner, self.memory, self.report
        line = examiner.new_line()
        share = _EXAMINED / self.game.max_game_length
        player = 0
        while True:
            full = memory.rng.random() < share
            view = examiner.examine(line) if full else examiner.glance(line)
            memory.seen[view.position_hash] = memory.seen.get(view.position_hash, 0) + 1
            report.most_legal = max(report.most_legal, len(view.legal))
            if view.terminal:
                if not full:
                    examiner.examine(line)
                self.remember_winner(line, player, view)
                break
            player = view.player
            with examiner.no_other_error():
                action = style(line, view.legal, memory)
            memory.times[action] = memory.times.get(action, 0) + 1
            examiner.play(line, action)
        for _ in range(_COUNTED):
            part = examiner.new_line(line.actions[: memory.rng.randrange(len(line.actions) + 1)])
            view = examiner.glance(part)
            with examiner.no_other_error():
                check_perft(examiner, part.state, view)
        report.num_games += 1
        report.longest = max(report.longest, len(line.actions))

    def hash_positions(self) -> None:
        """Random games in which positions are only compared with those before."""
        examiner = self.examiner
        left = _HASHES_PER_GAME
        while left > 0:
            line = examiner.new_line(mirrored=False)
            view = examiner.glance(line)
            while left > 0 and not view.terminal:
                examiner.play(line, self.memory.rng.choice(view.legal))
                view = examiner.glance(line)
                examiner.remember(line, view)
                left -= 1
            left -= 1

    def remember_winner(self, line: Line, last: int, view: View) -> None:
        if view.returns[0]:
            key = (last, 0 if view.returns[0] > 0 else 1)
            count, shortest_line = self.wins.get(key, (0, line))
            if len(line.actions) < len(shortest_line.actions):
                shortest_line = line
            self.wins[key] = (count + 1, shortest_line)

    def only_winner(self) -> int | None:
        """Who won all of many games, whoever moved last; None if that is not so."""
        games = {last: self.wins[last, winner][0] for last, winner in self.wins}
        winners = {winner for _, winner in self.wins}
        enough = len(games) == 2 and sum(games.values()) >= _DECIDED
        if len(winners) > 1 or not enough or min(games.values()) < _DECIDED // 8:
            return None
        return winners.pop()

    def help_the_loser(self, winner: int) -> None:
        """Games in which the winner plays without a plan: komi, or a side that is ahead?"""
        for number in range(_HELPED):
            self.play(planless(winner, -(number % 2)))

    def check_winners(self) -> None:
        """A result given to the player to move instead of player 0 makes one player win always."""
        examiner = self.examiner
        if (winner := self.only_winner()) is not None and examiner.checks("returns"):
            examiner.line, other = (self.wins[last, winner][1] for last in (winner, 1 - winner))
            examiner.fail(
                f"returns must be player 0's and player 1's: player {winner} won every decided "
                "game, whoever moved last",
                others=[other.moves],
            )
