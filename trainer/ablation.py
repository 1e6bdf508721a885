"""What a switch is worth: a run with it and one without, equally long, side by side.

Every part (a pair of runs trained, a match played, a player graded) is noted in the work folder
as it ends, and run folders resume by themselves: typed again, an ablation goes on where it
stopped.

::

    runs/ablations/NAME/
        ablation.json          settings, and what is done
        SWITCH-seed1/          a pair of runs, trained by ablation_training
            without/
            with/
"""

import contextlib
import datetime
import hashlib
import json
import math
import shlex
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import games as rules
from engine.errors import ConfigError, EngineError, StoreError
from trainer.ablation_figures import Curve, TimeRatio, markdown, mean_ratio, pooled, time_ratio
from trainer.ablation_training import Side, halves, train_side_by_side
from trainer.arena.match import play_match
from trainer.arena.players import Contestant, contestant
from trainer.bench.common import machine
from trainer.config import RunConfig, duration, resolve, to_toml
from trainer.evaluate import grade, read_positions
from trainer.files import write_atomically
from trainer.replay import ReplayStore
from trainer.switch import Switch

__all__ = ["Ablation", "Part", "Stopped"]

SIDES = ("without", "with")
STATE = "ablation.json"

Tell = Callable[[str, float, float], None]
"""Told the part in hand, the share of it that is done, and the seconds that all training that is
left will take."""
Progress = Callable[[float], None]
"""Told the share of a part that is done."""


class Stopped(EngineError):
    """A signal asked to stop; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__("stopped; typed again, it goes on")
        self.number = number


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of work whose result is kept."""

    key: str
    """What it is, for people and for the file."""
    work: Callable[[Progress], dict[str, Any]]
    expected_s: float = 0.0
    """How long it takes, where that is known."""


@dataclass
class Ablation:
    """An ablation: its settings, and what is on disk of it.

    Raises
    ------
    ConfigError
        If a setting does not fit, a switch changes nothing, or the folder holds another ablation.
    """

    preset: str
    switches: Sequence[Switch]
    budget: str
    """Time to train each run."""
    seeds: Sequence[int] = (1, 2)
    games: int = 200
    """Of each match, >= 2."""
    simulations: int = 0
    """Of a move in matches and grades; 0: the preset's evaluation.simulations."""
    positions: str = ""
    """Known positions to grade by; "": the preset's evaluation.positions, if any."""
    files: Sequence[Path] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Laid over the preset, with and without the switch."""
    runs: Path | None = None
    serial: bool = False

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ConfigError(f"seeds must be different integers >= 0, got {list(self.seeds)}")
        if self.games < 2:
            raise ConfigError(f"games must be >= 2, got {self.games}")
        if duration(self.budget) <= 0:
            raise ConfigError(f"budget must be longer than 0, got {self.budget!r}")
        self.config = self._config({})
        self.game = rules.make(self.config.game.name, **self.config.game.options)
        for switch in self.switches:
            other = self._config(switch.values)
            if other == self.config:
                raise ConfigError(f"switch {switch.name} changes nothing: {self.preset} has it so")
            if (other.game, other.seed, other.budget) != (
                self.config.game, self.config.seed, self.config.budget
            ):  # fmt: skip
                raise ConfigError(
                    f"switch {switch.name} must leave seed, game and budget as they are"
                )
        self.simulations = self.simulations or self.config.evaluation.simulations
        self.positions = self.positions or self.config.evaluation.positions
        self.folder = self.runs or Path("runs") / "ablations" / self.name
        self._known = read_positions(self.positions, self.game) if self.positions else []
        self._signal = 0
        self._state = self._read_state()

    def _config(self, values: Mapping[str, str]) -> RunConfig:
        over = {**self.overrides, **values, "budget.max_time": self.budget}
        return resolve(self.preset, list(self.files), over)

    @property
    def name(self) -> str:
        """Of the folder and the record."""
        slugs = ",".join(switch.slug for switch in self.switches)
        name = f"{Path(self.preset).stem}-{self.budget}-{slugs}"
        if len(name) > 80:  # a file's name has its limits
            name = f"{name[:71]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        return name

    # -- the parts ------------------------------------------------------------------------

    def parts(self) -> list[Part]:
        """Everything that an ablation consists of, in order."""
        budget_s = duration(self.budget)
        pairs = [(switch, seed) for seed in self.seeds for switch in self.switches]
        found = [
            Part(_key("train", switch, seed), partial(self._train, switch, seed), budget_s)
            for switch, seed in pairs
        ]
        found += [
            Part(self._match_key(switch, seed), partial(self._match, switch, seed))
            for switch, seed in pairs
        ]
        if self._known:
            found += [
                Part(
                    self._grade_key(switch, side, seed), partial(self._grade, switch, side, seed)
                )
                for switch, seed in pairs
                for side in SIDES
            ]
        return found

    def run(self, tell: Tell) -> dict[str, Any]:
        """Do what is left to do; return the report.

        Raises
        ------
        Stopped
            By SIGINT or SIGTERM; what was done stays.
        AblationError
            If a run cannot be trained, with its last words.
        """
        done = self._state["done"]
        with self._signals():
            waiting = [part for part in self.parts() if part.key not in done]
            while waiting:
                part, rest = waiting[0], sum(part.expected_s for part in waiting[1:])
                begun = time.monotonic()

                def on_progress(share: float, part: Part = part, rest: float = rest) -> None:
                    tell(part.key, share, rest + part.expected_s * (1 - share))

                on_progress(0.0)
                found = part.work(on_progress)
                done[part.key] = {**found, "took_s": round(time.monotonic() - begun, 1)}
                self._write_state()
                del waiting[0]
        return self._report()

    def run_folder(self, switch: Switch, side: str, seed: int) -> Path:
        """Of the run with the switch, or of its twin without."""
        return self.folder / f"{switch.slug}-seed{seed}" / side

    def command(self, switch: Switch, side: str, seed: int) -> list[str]:
        """What trains that run, as arguments of ringzero."""
        values = {**self.overrides, **(switch.values if side == "with" else {})}
        files = (arg for file in self.files for arg in ("--config", str(file)))
        return [
            "train", self.preset, "--run", str(self.run_folder(switch, side, seed)),
            "--seed", str(seed), "--max-time", self.budget, *files,
            *(f"--{k}={v}" for k, v in values.items()), *(["--serial"] if self.serial else []),
        ]  # fmt: skip

    def _train(self, switch: Switch, seed: int, on_progress: Progress) -> dict[str, Any]:
        """Both runs at once; seeds take turns in which half of the cores has the switch."""
        cores = halves() if self.seeds.index(seed) % 2 == 0 else halves()[::-1]
        folders = [self.run_folder(switch, side, seed) for side in SIDES]
        sides = [
            Side(self.command(switch, side, seed), folder.with_name(f"{side}.log"), share)
            for side, folder, share in zip(SIDES, folders, cores, strict=True)
        ]
        before = min(map(self._trained_s, folders))

        def on_poll(seconds: float) -> None:
            on_progress(min(1.0, (before + seconds) / duration(self.budget)))

        outcomes = train_side_by_side(sides, on_poll, lambda: self._signal)
        if outcomes is None:
            raise Stopped(self._signal)
        trained = {
            side: {name: outcome[name] for name in ("generation", "games", "elapsed_s")}
            for side, outcome in zip(SIDES, outcomes, strict=True)
        }
        return {**trained, "commit": machine()["commit"]}

    def _match(self, switch: Switch, seed: int, on_progress: Progress) -> dict[str, Any]:
        """The run with the switch against the one without: paired openings, the same search."""

        def on_game(num: int, _: object) -> bool:
            on_progress(num / self.games)
            return bool(self._signal)

        found = play_match(
            self.game, self._player(switch, "with", seed), self._player(switch, "without", seed),
            self.games,
            opening_plies=self.config.evaluation.opening_plies, seed=seed, serial=self.serial,
            on_game=on_game,
        )  # fmt: skip
        if found is None:
            raise Stopped(self._signal)
        return found.as_json()

    def _grade(
        self, switch: Switch, side: str, seed: int, on_progress: Progress
    ) -> dict[str, Any]:
        def on_position(num: int) -> bool:
            on_progress(num / len(self._known))
            return bool(self._signal)

        found = grade(
            self._player(switch, side, seed), self.game, self._known, seed=seed,
            on_progress=on_position,
        )  # fmt: skip
        if found is None:
            raise Stopped(self._signal)
        return found

    def _player(self, switch: Switch, side: str, seed: int) -> Contestant:
        """A run's newest weights, with the search of the preset: what was learned is compared,
        not how it is used."""
        config = self.config
        return contestant(
            str(self.run_folder(switch, side, seed)), self.simulations, config.search,
            compute=config.selfplay.compute,
        )  # fmt: skip

    def _match_key(self, switch: Switch, seed: int) -> str:
        return f"{_key('match', switch, seed)}, {self.games} games of {self.simulations}"

    def _grade_key(self, switch: Switch, side: str, seed: int) -> str:
        key = _key(f"grade {side}", switch, seed)
        return f"{key}, {self.positions} at {self.simulations}"

    # -- what is on disk ------------------------------------------------------------------

    def _read_state(self) -> dict[str, Any]:
        settings = {
            "config": to_toml(self.config),
            "switches": {switch.name: dict(switch.values) for switch in self.switches},
        }
        path = self.folder / STATE
        try:
            state: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            return {"settings": settings, "started_at": now, "done": {}}
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} is damaged ({error}); choose another --runs") from error
        if state["settings"] != settings:
            raise ConfigError(
                f"{self.folder} holds an ablation with other settings; type the options that it "
                "was begun with, or choose another --runs"
            )
        return state

    def _write_state(self) -> None:
        write_atomically(self.folder / STATE, json.dumps(self._state, indent=1).encode() + b"\n")

    def _trained_s(self, run: Path) -> float:
        """Seconds that a run was trained in earlier sessions."""
        if not (run / "run.db").exists():
            return 0.0
        with ReplayStore(run / "run.db", self.game) as store:
            return float(store.get("elapsed_s", 0.0))

    def _curves(self, run: Path) -> dict[str, Curve]:
        """The run's measured strength over time, by label: Elo where there is any."""
        curves: dict[str, list[tuple[float, float]]] = {}
        with ReplayStore(run / "run.db", self.game) as store:
            for row in store.matches():
                found = row.get("strength")
                if found is not None:
                    value = found["score"] if math.isnan(found["elo"]) else found["elo"]
                    curves.setdefault(found["label"], []).append((found["minutes"], value))
        return dict(curves)

    # -- the report -----------------------------------------------------------------------

    def _report(self) -> dict[str, Any]:
        """Plain values of everything that was found; what is not known is None."""
        return {
            "name": self.name,
            "preset": self.preset,
            "budget": self.budget,
            "seeds": list(self.seeds),
            "games": self.games,
            "simulations": self.simulations,
            "positions": self.positions or None,
            "started_at": self._state["started_at"],
            "machine": machine(),
            "commits": sorted({d["commit"] for d in self._state["done"].values() if "commit" in d}),
            "switches": [self._found(switch) for switch in self.switches],
            "commands": [
                f"ringzero {shlex.join(self.command(switch, side, seed))}"
                for seed in self.seeds
                for switch in self.switches
                for side in SIDES
            ],
            "done": self._state["done"],
            "settings": self._state["settings"],
        }

    def _found(self, switch: Switch) -> dict[str, Any]:
        done = self._state["done"]
        matches = [done[self._match_key(switch, seed)] for seed in self.seeds]
        elo = pooled([(found["elo"], *found["elo_interval"]) for found in matches])
        return {
            "switch": switch.name,
            "values": dict(switch.values),
            **elo._asdict(),
            "seeds": [
                {"seed": seed, "elo": found["elo"], "elo_interval": found["elo_interval"]}
                for seed, found in zip(self.seeds, matches, strict=True)
            ],
            "mistakes": self._mistakes(switch),
            "time_ratio": self._time_ratios(switch),
        }

    def _mistakes(self, switch: Switch) -> dict[str, Any] | None:
        """Shares of the known positions whose outcome is lost, means over the seeds."""
        if not self._known:
            return None
        rates = {
            side: [
                1 - self._state["done"][self._grade_key(switch, side, seed)]["outcome_perfect"]
                for seed in self.seeds
            ]
            for side in SIDES
        }
        return {
            **{name: math.fsum(found) / len(found) for name, found in rates.items()},
            "by_seed": rates,
        }

    def _time_ratios(self, switch: Switch) -> dict[str, Any]:
        """Time to equal strength, by what it was measured against: geometric means."""
        found: dict[str, list[TimeRatio]] = {}
        for seed in self.seeds:
            without, with_ = (self._curves(self.run_folder(switch, s, seed)) for s in SIDES)
            for label in without.keys() & with_.keys():
                ratio = time_ratio(without[label], with_[label])
                if ratio is not None:
                    found.setdefault(label, []).append(ratio)
        means = {label: mean_ratio(ratios) for label, ratios in sorted(found.items())}
        return {
            label: {"ratio": mean.ratio, "bound": mean.bound, "text": str(mean)}
            for label, mean in means.items()
        }

    def write_record(self, report: Mapping[str, Any], out: Path) -> tuple[Path, Path]:
        """Keep the report as JSON and as a table for people; return both paths."""
        out.mkdir(parents=True, exist_ok=True)
        stem = f"{self.name}-{self._state['started_at'][:10].replace('-', '')}"
        data, text = out / f"{stem}.json", out / f"{stem}.md"
        write_atomically(data, json.dumps(report, indent=1, allow_nan=False).encode() + b"\n")
        write_atomically(text, markdown(report).encode())
        return data, text

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM: the first asks the part in hand to stop, the second ends it."""

        def received(number: int, frame: FrameType | None) -> None:
            if self._signal:
                raise KeyboardInterrupt
            self._signal = number

        before = {n: signal.signal(n, received) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _key(what: str, switch: Switch, seed: int) -> str:
    return f"{what} {switch.name}, seed {seed}"
