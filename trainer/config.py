"""A run's configuration: frozen sections, read strictly, free of torch.

Later layers win: defaults, then a preset, then ``--config`` files in order, then the command
line. `resolve` merges them and `to_toml` writes the result, which every run and checkpoint keeps.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from engine.config import SearchConfig
from engine.errors import ConfigError
from trainer.compute import BACKENDS, DEVICES, PRECISIONS, Compute
from trainer.reproducible import settled
from trainer.strict import nested, read_toml, to_toml, update

__all__ = [
    "BudgetConfig",
    "CheckpointConfig",
    "EvaluationConfig",
    "GameConfig",
    "LearnerConfig",
    "NetworkConfig",
    "RunConfig",
    "SelfplayConfig",
    "duration",
    "megabytes",
    "preset_names",
    "resolve",
    "to_toml",
]

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``20m``, ``1.5h``, ``1h30m`` or ``2d``.

    Raises
    ------
    ConfigError
        If `text` is not written like that.
    """
    compact = re.sub(r"\s+", "", text.lower())
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return float(compact)
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", compact):
        raise ConfigError(f"a duration must look like 90s, 20m or 1h30m, got {text!r}")
    return sum(float(n) * UNITS[unit] for n, unit in re.findall(r"([\d.]+)([smhd])", compact))


def megabytes(text: str) -> float:
    """Megabytes (1e6 bytes) of ``64M``, ``1.5G``, ``800k`` or ``64``, which are megabytes.

    Raises
    ------
    ConfigError
        If `text` is not written like that.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?)b?", text.strip().lower())
    if found is None:
        raise ConfigError(f"memory must look like 64M, 1.5G or 800k, got {text!r}")
    return float(found[1]) * {"k": 1e-3, "": 1.0, "m": 1.0, "g": 1e3}[found[2]]


def _check(section: Any, **rules: tuple[str, bool]) -> None:
    """Raise for the first field whose rule (what is expected, whether it holds) is broken."""
    for name, (expected, holds) in rules.items():
        if not holds:
            raise ConfigError(f"{name} must be {expected}, got {getattr(section, name)!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GameConfig:
    """Which game is learned."""

    name: str = "connect4"
    """A name that `ringzero games` lists, or the path of a plain-Python game file."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the game is made with, for example size = 7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """Shape of the residual network."""

    blocks: int = 4
    """Residual blocks of two 3x3 convolutions, >= 0."""
    channels: int = 48
    """Channels of the trunk, >= 1; multiples of 16 run fastest."""
    pool_every: int = 2
    """Every n-th block adds a bias computed from the whole board (KataGo 3.3); 0: none does."""
    policy_channels: int = 16
    """Channels of the policy head's 1x1 convolution, >= 1."""
    value_channels: int = 16
    """Channels of the value head's 1x1 convolution, >= 1."""
    value_hidden: int = 64
    """Width of the value head's hidden layer, >= 1."""

    def __post_init__(self) -> None:
        _check(
            self,
            blocks=("an integer >= 0", self.blocks >= 0),
            channels=("an integer >= 1", self.channels >= 1),
            pool_every=("an integer >= 0", self.pool_every >= 0),
            policy_channels=("an integer >= 1", self.policy_channels >= 1),
            value_channels=("an integer >= 1", self.value_channels >= 1),
            value_hidden=("an integer >= 1", self.value_hidden >= 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerConfig:
    """How the network learns from the finished games."""

    batch_size: int = 512
    """Samples of one training step, >= 1."""
    learning_rate: float = 2e-3
    """AdamW's peak rate, > 0."""
    weight_decay: float = 1e-4
    """AdamW's decay of the weights, >= 0."""
    learning_rate_schedule: str = "cosine"
    """How the rate goes over the budget: cosine (warm-up, then level, then half a cosine down),
    step (down at once, as KataGo's last drop), or one_cycle (up to drop_start / 2, down to a tenth
    at drop_start, then further; Smith and Topin, arXiv:1708.07120)."""
    warmup_steps: int = 100
    """Steps over which the rate rises from 0, >= 0."""
    drop_start: float = 0.7
    """Share of the run's budget after which the rate falls, in [0, 1]."""
    final_lr_fraction: float = 0.1
    """Share of the rate that is left when the budget ends, in [0, 1]."""
    ema_decay: float = 0.999
    """Averaging of the weights that play, per step, in [0, 1); 0: the raw weights play."""
    average_share: float = 0.0
    """The average's memory is at least this share of all steps so far (arXiv:1212.1824), in [0, 1):
    a long run then averages over more than ema_decay would; 0: no such floor."""
    accumulate: int = 1
    """Parts in which a batch passes through the network before the one update, >= 1; each part is
    normalised by its own statistics, and batch_size must be a multiple."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm, > 0."""
    passes_per_row: float = 4.0
    """How often each new sample is trained on over its life, > 0; governs the number of steps."""
    window_rows: int = 400_000
    """Most samples that the learner draws from: the newest ones, >= 1."""
    window_fraction: float = 0.6
    """The window grows with the run: this share of all samples so far, in (0, 1]."""
    window_growth: float = 0.0
    """Exponent of the window's growth by a power law that starts at min_rows and replaces
    window_fraction, in [0, 1]; KataGo has 0.75 (arXiv:1902.10565, appendix C); 0: off."""
    window_slope: float = 0.4
    """Rows that the power law's window gains with each new one at its start, in (0, 1]; KataGo's
    figure (arXiv:1902.10565, appendix C)."""
    min_rows: int = 8_000
    """Samples to collect before the first step, and least size of the window, >= 1."""
    merge_duplicates: str = "none"
    """Rows of one position become a single sample with the mean of their targets: none, equal, or
    mirrored, which takes mirror images for equal (AlphaZero.jl's position averaging)."""
    duplicate_weight: str = "log"
    """How often a merged position that occurs c times is drawn: one (as once), log (as 1 + log2 c
    times, AlphaZero.jl's choice for Connect Four) or count (as c times)."""
    surprise_share: float = 0.0
    """Share of the draws by the divergence of the search's policy from the network's, in [0, 1];
    KataGo has 0.5 (KataGoMethods.md, policy surprise weighting); 0: off."""
    value_surprise_share: float = 0.0
    """Share of the draws by the difference between the search's value and the network's, in
    [0, 1] (KataGoMethods.md, value surprise weighting); 0: off."""
    surprise_clip: float = 4.0
    """A row's surprise counts at most as so many times the mean one, >= 1: tactical blunders
    would fill the batches otherwise."""
    value_mix: float = 0.3
    """Weight of the search's root value in the value target, the outcome has the rest; [0, 1]."""
    value_td_lambda: float = 0.0
    """The search's value in the target becomes an average with those of later plies, a ply later
    weighing this factor less, in [0, 1) (lambda-return; KataGo's short-term values); 0: off."""
    relabel: bool = False
    """Learn proven results in place of outcomes: a position's label is what the first proof from
    there on says, whatever was blundered after it, and a proven position's value target is its
    proof alone. Needs the solver. MCTS-solver, Winands et al. 2008, turned into targets."""
    policy_weight: float = 1.0
    """Weight of the policy's cross-entropy, >= 0."""
    value_weight: float = 1.0
    """Weight of the win/draw/loss cross-entropy, >= 0."""
    reply_weight: float = 0.0
    """Weight of predicting the opponent's next policy target (KataGo, arXiv:1902.10565, 3.4, takes
    0.15), >= 0; 0: no such head. This and the next four only shape the trunk in training."""
    ownership_weight: float = 0.0
    """Weight of predicting whose each cell is in the end (there, 4.1: 1.5 a cell for Go), >= 0."""
    score_weight: float = 0.0
    """Weight of predicting the final margin in points a cell (there, 4.1), >= 0."""
    plies_left_weight: float = 0.0
    """Weight of predicting the logarithm of the plies to come (as lc0's moves left), >= 0."""
    winning_line_weight: float = 0.0
    """Weight of predicting the cells of the line or link that wins in the end, >= 0."""
    start_from: str = ""
    """A run, checkpoint or model whose weights a new run begins with, carried over to a wider or
    deeper network so that it computes the same (Net2Net, arXiv:1511.05641); "": random ones."""
    games_from: str = ""
    """A run of the same game whose games are learned from first, its folder; "": none."""
    train_on_fast: bool = False
    """Train the value on moves of fast searches too; their visits never train the policy."""
    symmetries: bool = True
    """Show each sample under a random symmetry of the board."""
    validation_share: float = 0.03
    """Share of the games held out to measure the losses, in [0, 0.5]."""
    precision: str = "auto"
    """fp32, bf16, or auto: what the device does best."""
    threads: int = 0
    """CPU threads of a training step; 0: every core that the process may use."""

    def __post_init__(self) -> None:
        _check(
            self,
            batch_size=("an integer >= 1", self.batch_size >= 1),
            learning_rate=("> 0", self.learning_rate > 0),
            weight_decay=(">= 0", self.weight_decay >= 0),
            warmup_steps=("an integer >= 0", self.warmup_steps >= 0),
            learning_rate_schedule=(
                "cosine, one_cycle or step",
                self.learning_rate_schedule in ("cosine", "one_cycle", "step"),
            ),
            drop_start=("in [0, 1]", 0 <= self.drop_start <= 1),
            final_lr_fraction=("in [0, 1]", 0 <= self.final_lr_fraction <= 1),
            ema_decay=("in [0, 1)", 0 <= self.ema_decay < 1),
            average_share=("in [0, 1)", 0 <= self.average_share < 1),
            accumulate=(
                "an integer >= 1 that divides batch_size",
                self.accumulate >= 1 and self.batch_size % self.accumulate == 0,
            ),
            max_grad_norm=("> 0", self.max_grad_norm > 0),
            passes_per_row=("> 0", self.passes_per_row > 0),
            window_rows=("an integer >= min_rows", self.window_rows >= self.min_rows),
            window_fraction=("in (0, 1]", 0 < self.window_fraction <= 1),
            window_growth=("in [0, 1]", 0 <= self.window_growth <= 1),
            window_slope=("in (0, 1]", 0 < self.window_slope <= 1),
            min_rows=("an integer >= 1", self.min_rows >= 1),
            merge_duplicates=(
                "none, equal, or (with symmetries) mirrored",
                self.merge_duplicates in ("none", "equal", "mirrored")
                and (self.symmetries or self.merge_duplicates != "mirrored"),
            ),
            duplicate_weight=(
                "one, log or count", self.duplicate_weight in ("one", "log", "count")
            ),
            surprise_share=("in [0, 1]", 0 <= self.surprise_share <= 1),
            value_surprise_share=(
                "in [0, 1 - surprise_share]",
                0 <= self.value_surprise_share <= 1 - self.surprise_share,
            ),
            surprise_clip=(">= 1", self.surprise_clip >= 1),
            value_mix=("in [0, 1]", 0 <= self.value_mix <= 1),
            value_td_lambda=("in [0, 1)", 0 <= self.value_td_lambda < 1),
            policy_weight=(">= 0", self.policy_weight >= 0),
            value_weight=(">= 0", self.value_weight >= 0),
            reply_weight=(">= 0", self.reply_weight >= 0),
            ownership_weight=(">= 0", self.ownership_weight >= 0),
            score_weight=(">= 0", self.score_weight >= 0),
            plies_left_weight=(">= 0", self.plies_left_weight >= 0),
            winning_line_weight=(">= 0", self.winning_line_weight >= 0),
            validation_share=("in [0, 0.5]", 0 <= self.validation_share <= 0.5),
            precision=("auto, fp32 or bf16", self.precision in ("auto", "fp32", "bf16")),
            threads=("an integer >= 0", self.threads >= 0),
        )

    @property
    def auxiliary(self) -> dict[str, float]:
        """Weights of the auxiliary heads that there are, by name."""
        names = ("reply", "ownership", "score", "plies_left", "winning_line")
        weights = {name: float(getattr(self, f"{name}_weight")) for name in names}
        return {name: weight for name, weight in weights.items() if weight}


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfplayConfig:
    """How games are made."""

    workers: int = 0
    """Worker processes; 0: as many as the measured rates ask for."""
    games_per_worker: int = 0
    """Games that a worker plays at once; half search while the other half waits. 0: as many as
    the measured rates ask for."""
    streams: int = 0
    """Batches that the inference process evaluates at once; 0: as many as measured fastest."""
    max_batch: int = 128
    """Most positions of a batch, >= 1."""
    queue_delay_us: int = 0
    """Longest time that positions may be held back for a fuller batch, in microseconds, >= 0."""
    cache_mb: float = 64.0
    """Megabytes of the evaluation cache that the workers share, >= 0; 0: none, and identical
    positions in flight are all evaluated."""
    memory_mb: float = 0.0
    """Megabytes of all search trees together, each game's share equal, >= 0; a search that fills
    its share ends early and is counted. 0: what the simulations need."""
    opening_plies: int = 0
    """Each game starts with random plies that are not learned from, up to so many, >= 0: without
    them, games of a network that knows what it wants are much alike."""
    start_share: float = 0.0
    """Share of the games that begin where the network misjudged an earlier game's position, in
    [0, 1] (search control: Go-Exploit, arXiv:2302.12359); 0: off."""
    start_measure: str = "value"
    """What tells such positions: value (the network's value against the proven or final result)
    or surprise (the search's policy against the network's)."""
    rows_per_generation: int = 20_000
    """New samples between two turns of the learner, >= 1."""
    gating: bool = False
    """Weights play only once they are labelled best (AlphaGo Zero, 2017; AlphaZero lets every
    generation play). Needs evaluation.best_every_minutes > 0."""
    evaluator: str = "network"
    """network, uniform or rollout (no network, for trying things)."""
    device: str = "auto"
    """cpu, cuda, cuda:1 ..., or auto: a CUDA device where there is one. Several, such as
    "cuda:0,cuda:1", share the workers; the learner uses the first."""
    backend: str = "auto"
    """On a CPU: openvino, torch, or auto: what measures fastest."""
    precision: str = "auto"
    """fp32, bf16, int8 (openvino), fp16 or tf32 (both CUDA), or auto: the fastest that is exact
    enough."""

    def __post_init__(self) -> None:
        evaluators = ("network", "uniform", "rollout")
        _check(
            self,
            workers=("an integer >= 0", self.workers >= 0),
            games_per_worker=("an integer >= 0", self.games_per_worker >= 0),
            streams=("an integer >= 0", self.streams >= 0),
            max_batch=("an integer >= 1", self.max_batch >= 1),
            queue_delay_us=("an integer >= 0", self.queue_delay_us >= 0),
            cache_mb=(">= 0", self.cache_mb >= 0),
            memory_mb=(">= 0", self.memory_mb >= 0),
            opening_plies=("an integer >= 0", self.opening_plies >= 0),
            start_share=("in [0, 1]", 0 <= self.start_share <= 1),
            start_measure=("value or surprise", self.start_measure in ("value", "surprise")),
            rows_per_generation=("an integer >= 1", self.rows_per_generation >= 1),
            evaluator=(f"one of {', '.join(evaluators)}", self.evaluator in evaluators),
            device=(
                "auto, or cpu, cuda or cuda:N, several separated by commas",
                re.fullmatch(DEVICES, self.device) is not None,
            ),
            backend=(f"one of {', '.join(BACKENDS)}", self.backend in BACKENDS),
            precision=(f"one of {', '.join(PRECISIONS)}", self.precision in PRECISIONS),
        )

    @property
    def compute(self) -> Compute:
        """What the network runs on."""
        return Compute(self.device, self.backend, self.precision)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How strength is measured while the run goes on."""

    every_minutes: float = 3.0
    """Minutes between two measurements, >= 0; 0: only at the end."""
    baselines: tuple[str, ...] = ("random", "mcts:100")
    """Opponents: random, or mcts:N for rollout search with N simulations."""
    games: int = 40
    """Games against each, >= 2; played in pairs that share an opening."""
    simulations: int = 50
    """Simulations a move of the network's side, >= 1."""
    opening_plies: int = 4
    """Random plies before each game, >= 0."""
    positions: str = ""
    """JSON-lines file of positions with known answers to grade too; "": none."""
    truth: str = "auto"
    """auto: where right answers come along (tic-tac-toe, Connect Four, Othello, small Hex), count
    the network's mistakes with and without a search; off: do not. See docs/learning.md."""
    truth_positions: int = 300
    """Most positions that it is asked about, >= 1; some seconds' work."""
    best_every_minutes: float = 0.0
    """Minutes between two sequential tests of the newest checkpoint against the one labelled
    best, >= 0; 0: nothing is labelled. `RUN:best` then names that player."""
    best_elo0: float = 0.0
    """The label stays with a challenger that is stronger by no more than this Elo (van den Bergh,
    "A practical introduction to the GSPRT", 2020)."""
    best_elo1: float = 50.0
    """The label moves to one that is stronger by this Elo, > best_elo0; the closer the two, the
    longer a test: 100 to 300 games at 50."""
    best_alpha: float = 0.05
    """Chance that the label moves to one that is stronger by best_elo0 only, in (0, 0.5)."""
    best_beta: float = 0.05
    """Chance that it stays although the challenger is stronger by best_elo1, in (0, 0.5)."""
    best_games: int = 400
    """Most games of a test, >= 2; the label stays where so many decide nothing."""
    best_share: float = 0.1
    """A test begins only while all tests together have taken less than this share of the run's
    time, in (0, 1]."""

    def __post_init__(self) -> None:
        _check(
            self,
            every_minutes=(">= 0", self.every_minutes >= 0),
            baselines=(
                "a list of random and mcts:N",
                all(re.fullmatch(r"random|mcts:[1-9]\d*", name) for name in self.baselines),
            ),
            games=("an integer >= 2", self.games >= 2),
            simulations=("an integer >= 1", self.simulations >= 1),
            opening_plies=("an integer >= 0", self.opening_plies >= 0),
            truth=("auto or off", self.truth in ("auto", "off")),
            truth_positions=("an integer >= 1", self.truth_positions >= 1),
            best_every_minutes=(">= 0", self.best_every_minutes >= 0),
            best_elo1=("> best_elo0", self.best_elo1 > self.best_elo0),
            best_alpha=("in (0, 0.5)", 0 < self.best_alpha < 0.5),
            best_beta=("in (0, 0.5)", 0 < self.best_beta < 0.5),
            best_games=("an integer >= 2", self.best_games >= 2),
            best_share=("in (0, 1]", 0 < self.best_share <= 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointConfig:
    """Which checkpoints stay on disk."""

    keep: int = 5
    """Newest checkpoints to keep, >= 1."""
    keep_every: int = 10
    """Every n-th generation's checkpoint stays for ever; 0: none does."""

    def __post_init__(self) -> None:
        _check(
            self,
            keep=("an integer >= 1", self.keep >= 1),
            keep_every=("an integer >= 0", self.keep_every >= 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    """When the run ends by itself; what is spent counts over all its sessions."""

    max_time: str = "15m"
    """Time spent training, such as 90s, 20m or 1h30m; 0: no limit."""
    max_games: int = 0
    """Finished games; 0: no limit."""
    max_generations: int = 0
    """Generations; 0: no limit."""

    @property
    def max_time_s(self) -> float:
        """`max_time` in seconds, infinite without a limit."""
        return duration(self.max_time) or math.inf

    def spent(self, elapsed_s: float, games: int, generations: float) -> float:
        """Share of the budget that is spent, in [0, 1]: of the limit that is nearest; 1 without
        any, since a run without an end has no beginning to be treated otherwise."""
        shares = [elapsed_s / self.max_time_s] if math.isfinite(self.max_time_s) else []
        shares += [games / self.max_games] if self.max_games else []
        shares += [generations / self.max_generations] if self.max_generations else []
        return min(max(shares, default=1.0), 1.0)

    def __post_init__(self) -> None:
        try:
            duration(self.max_time)
        except ConfigError as error:
            raise ConfigError(f"max_time: {error}") from error
        _check(
            self,
            max_games=("an integer >= 0", self.max_games >= 0),
            max_generations=("an integer >= 0", self.max_generations >= 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that determines a run."""

    seed: int = 0
    """Keys every random draw, >= 0."""
    deterministic: bool = False
    """The same seed gives the same games and weights, to the bit, on one machine and build, with
    any number of workers and whatever is killed meanwhile; slower. `max_time` does not end it."""
    game: GameConfig = field(default_factory=GameConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    selfplay: SelfplayConfig = field(default_factory=SelfplayConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    checkpoints: CheckpointConfig = field(default_factory=CheckpointConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)

    def __post_init__(self) -> None:
        _check(self, seed=("an integer in [0, 2**63)", 0 <= self.seed < 2**63))
        if self.learner.learning_rate_schedule == "one_cycle" and not self.budget.max_time_s < (
            math.inf
        ):
            raise ConfigError(
                "learner.learning_rate_schedule must be cosine or step for a run without end, got "
                "one_cycle, which is laid over budget.max_time"
            )
        if self.selfplay.gating and not self.evaluation.best_every_minutes:
            raise ConfigError(
                "selfplay.gating needs evaluation.best_every_minutes > 0: without tests no new "
                "weights would ever play"
            )
        proofs = self.search.solver or not self.learner.relabel
        _check(self.learner, relabel=("false without search.solver", proofs))

    @property
    def compute(self) -> Compute:
        """What its networks run on; in one fixed shape where it is deterministic."""
        return replace(self.selfplay.compute, fixed_shape=self.deterministic)


def preset_names() -> list[str]:
    """Names of the presets that come with ringzero."""
    files = (resources.files("trainer") / "presets").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name[-5:] == ".toml")


def resolve(
    preset: str,
    files: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
) -> RunConfig:
    """The configuration that all layers give together.

    Parameters
    ----------
    preset
        A preset's name, the path of a ``.toml`` file, or a game: its name or the path of a
        ``.py`` file, which starts from the built-in defaults.
    files
        Files laid over it, in order.
    overrides
        ``"section.key"`` to a value, or to its text as a person types it; laid over the files.

    Raises
    ------
    ConfigError
        If a file cannot be read, or a key or value does not fit; names the file and the key.
    """
    config = RunConfig()
    if preset in preset_names():
        file = resources.files("trainer") / "presets" / f"{preset}.toml"
        config = update(config, read_toml(file, f"preset {preset}"), f"preset {preset}")
    elif preset.endswith(".toml"):
        files = [preset, *files]
    else:
        config = update(config, {"game": {"name": preset}}, "command line")
    for path in map(Path, files):
        config = update(config, read_toml(path, str(path)), str(path))
    config = update(config, nested(overrides or {}), "command line", parse=True)
    return settled(config) if config.deterministic else config
