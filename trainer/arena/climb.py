"""A run's checkpoints on one scale: how it climbed."""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, StoreError
from trainer.arena.identity import match_settings
from trainer.arena.ladder import Ladder, Result, rate
from trainer.arena.match import play_match
from trainer.arena.players import Contestant, contestant, game_of
from trainer.arena.standings import player_name, results_of
from trainer.arena.store import ArenaStore, StoredMatch

__all__ = ["Climb", "Plan", "climb", "climb_matches"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Who plays whom."""

    steps: tuple[tuple[float, Contestant], ...]
    """Minutes trained, and the checkpoint, in order."""
    baselines: tuple[Contestant, ...]
    pairs: tuple[tuple[Contestant, Contestant], ...]


@dataclass(frozen=True, slots=True)
class Climb:
    """How strong a run was, when."""

    ladder: Ladder
    names: tuple[str, ...]
    """Of the checkpoints, in order."""
    minutes: tuple[float, ...]

    def elo(self) -> list[float]:
        """Of each checkpoint; the first baseline has 0."""
        return [float(self.ladder.elo[self.ladder.names.index(name)]) for name in self.names]

    def curve(self, points: int) -> list[float]:
        """Elo at `points` equally spaced times up to the last checkpoint's, straight between."""
        at = np.linspace(self.minutes[0], self.minutes[-1], points)
        found: list[float] = np.interp(at, self.minutes, self.elo()).tolist()
        return found

    def as_json(self) -> list[dict[str, Any]]:
        """Plain values."""
        return [
            {"player": name, "minutes": minutes, "elo": elo,
             "half_width": self.ladder.half_width(name)}
            for name, minutes, elo in zip(self.names, self.minutes, self.elo(), strict=True)
        ]  # fmt: skip


def climb_matches(
    run: Path, checkpoints: int, baselines: Sequence[str], simulations: int
) -> Plan:
    """Each of so many checkpoints against the next and against every baseline.

    Raises
    ------
    StoreError
        If the run has fewer than two checkpoints.
    ConfigError
        If there is no baseline: nothing would hold the scale.
    """
    if not baselines:
        raise ConfigError("baselines must name at least one player, such as mcts:1000")
    found = []
    for meta in sorted((run / "checkpoints").glob("[0-9]*/meta.json")):
        found.append((json.loads(meta.read_text())["info"]["elapsed_s"] / 60, meta.parent))
    if len(found) < 2:
        raise StoreError(f"{run} holds {len(found)} checkpoints; a ladder needs at least two")
    chosen = sorted({round(i) for i in np.linspace(0, len(found) - 1, checkpoints)})
    steps = tuple(
        (found[i][0], contestant(f"{run}:{int(found[i][1].name)}", simulations)) for i in chosen
    )
    fixed = tuple(contestant(name, simulations) for name in baselines)
    players = [player for _, player in steps]
    pairs = [*itertools.pairwise(players), *itertools.product(players, fixed),
             *itertools.pairwise(fixed)]  # fmt: skip
    return Plan(steps, fixed, tuple(pairs))


def climb(
    plan: Plan,
    store: ArenaStore,
    games: int,
    *,
    opening_plies: int = 4,
    seed: int = 0,
    on_progress: Callable[[int], bool | None] | None = None,
) -> Climb:
    """Play what `store` does not hold of the plan's matches, and rate everybody.

    Parameters
    ----------
    on_progress
        Told the count of games that are over.
    """
    rules = game_of(*(player for _, player in plan.steps))
    games += games % 2
    results: list[Result] = []
    for number, (one, two) in enumerate(plan.pairs):
        settings = match_settings(rules, (one, two), games, opening_plies, seed)
        match = store.open(settings)

        def on_game(done: int, _: object, before: int = number * games) -> None:
            if on_progress is not None:
                on_progress(before + done)

        play_match(
            rules, one, two, games, opening_plies=opening_plies, seed=seed, on_game=on_game,
            known=store.games(match),
            keep=lambda game, match=match: store.add(match, game),  # type: ignore[misc]
        )  # fmt: skip
        found = store.games(match)
        results += results_of(StoredMatch(match, 0.0, settings, len(found)), found)

    def name(player: Contestant) -> str:
        return player_name(match_settings(rules, [player], 2, 0, 0)["players"][0])

    ladder = rate(results, anchor=(name(plan.baselines[0]), 0.0))
    return Climb(
        ladder,
        tuple(name(player) for _, player in plan.steps),
        tuple(minutes for minutes, _ in plan.steps),
    )
