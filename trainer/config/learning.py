"""What learns, and how: the sections ``[network]`` and ``[learner]``."""

from dataclasses import dataclass

from engine.config import check_fields

__all__ = ["LearnerConfig", "NetworkConfig"]


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
        check_fields(
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
    blunder_drop: float = 0.0
    """A move after which the next search gives its player less by more than this, in [0, 2), is a
    blunder, and what came after it says nothing of the positions before it: their outcome is what
    the search before the blunder said. Watkins (1989), greedy backups (Willemsen et al. 2020); 0:
    off."""
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
    beside_selfplay: bool = True
    """Self-play goes on while the learner takes its steps, a generation ahead at most; false: they
    take turns, as they do in deterministic and serial runs."""
    threads: int = 0
    """CPU threads of a training step; 0: half of the cores beside self-play, else all of them, and
    also while self-play waits for the learner."""

    def __post_init__(self) -> None:
        check_fields(
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
            blunder_drop=("in [0, 2)", 0 <= self.blunder_drop < 2),
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
