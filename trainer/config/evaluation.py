"""How strength is measured: the section ``[evaluation]``."""

import re
from dataclasses import dataclass

from engine.config import check_fields

__all__ = ["EvaluationConfig"]


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
        check_fields(
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
