"""How one move is searched: the switches of the search, with their sources.

References
----------
AlphaZero: Silver et al., "A general reinforcement learning algorithm that masters chess, shogi,
and Go through self-play", Science 362 (2018).
Gumbel: Danihelka et al., "Policy improvement by planning with Gumbel", ICLR 2022.
KataGo: Wu, "Accelerating Self-Play Learning in Go", arXiv:1902.10565; what is newer is told in
docs/KataGoMethods.md of its repository.
"""

from dataclasses import dataclass
from typing import Any

from engine.errors import ConfigError

__all__ = ["SearchConfig", "check_fields"]


def check_fields(section: Any, **rules: tuple[str, bool]) -> None:
    """Raise a `ConfigError` for the first field of `section` whose rule, what it must be and
    whether it is, is broken."""
    for name, (expected, holds) in rules.items():
        if not holds:
            raise ConfigError(f"{name} must be {expected}, got {getattr(section, name)!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """How one move is searched."""

    num_simulations: int = 100
    """Simulations of a full search, >= 1."""
    fast_simulations: int = 0
    """Simulations of a fast search; 0: every search is full. KataGo 3.1, playout caps."""
    full_fraction: float = 0.25
    """Share of the moves that get a full search where fast ones are on. Only those are trained
    on. KataGo 3.1 uses 0.25."""
    full_plies: int = 0
    """The first so many moves after a game's opening get a full search in any case, >= 0: random
    openings reach what games do not, and each game shows one. Ours."""
    initial_simulations: int = 0
    """Simulations of a full search when the run begins, from which they grow to
    `num_simulations`: a young network's values are not worth many; 0: no growth. MiniZero
    (arXiv:2310.11305), progressive simulation."""
    progressive_share: float = 0.5
    """Share of the run's budget over which they grow, in proportion, in (0, 1]."""
    c_init: float = 1.25
    """Exploration constant of PUCT, > 0. AlphaZero's 1.25."""
    c_base: float = 19652.0
    """Visits at which PUCT's exploration starts to grow, > 0. AlphaZero's 19652."""
    fpu_reduction: float = 0.2
    """An unvisited edge is worth the node's value less this, times the root of the visited
    prior, >= 0. KataGo's 0.2."""
    root_fpu_reduction: float = 0.0
    """The same at a root that has noise. KataGo uses 0, so that noise can act."""
    dirichlet_alpha: float = 1.0
    """Concentration of the root's noise, > 0. About 10 / legal moves."""
    dirichlet_fraction: float = 0.25
    """Weight of the noise in the root's prior, in [0, 1]; full self-play searches only. At 0 a
    root's policy temperature and forced playouts are off, too."""
    dirichlet_total: float = 0.0
    """Concentration of the noise over all legal moves together, >= 0, in place of
    `dirichlet_alpha` for each: alpha is this / legal moves. KataGo's 10.83; 0: off."""
    dirichlet_shaped: bool = False
    """Give half of the concentration to the moves that the prior does not rule out, and not the
    same to all moves. KataGo, since 2020."""
    root_policy_temperature: float = 1.0
    """The prior of a root with noise is raised to 1 / this, > 0: above 1 it is flatter, which
    keeps policies from sharpening on nothing. KataGo's 1.25, early in the game; 1: off."""
    final_root_policy_temperature: float = 1.0
    """The value that `root_policy_temperature` has fallen to after `temperature_plies`, > 0.
    KataGo's 1.1."""
    forced_playouts: float = 0.0
    """k: a visited move at a root with noise gets at least sqrt(k prior visits) visits, and the
    policy target forgets those that nothing else speaks for, >= 0. KataGo 3.2 uses 2; 0: off."""
    widening_base: float = 0.0
    """Only the ceil(base * visits ** exponent) moves of highest prior of a position are searched,
    for games of many moves, >= 0; 0: all. Progressive widening (Coulom 2007; Chaslot 2008)."""
    widening_exponent: float = 0.5
    """Exponent of the visits in progressive widening, in [0, 1]."""
    gumbel_actions: int = 0
    """Actions that a Gumbel root considers, >= 0: drawn without replacement, narrowed by sequential
    halving, so that even 2 simulations teach something. 0: PUCT at the root. Gumbel 3 uses 16."""
    gumbel_scale: float = 1.0
    """Scale of the Gumbel noise, >= 0. It is what varies a Gumbel root's moves, in fast searches,
    too, in place of Dirichlet noise and temperature; matches set 0."""
    gumbel_c_visit: float = 50.0
    """How strongly values move the prior before there are visits, >= 0: sigma(q) =
    (gumbel_c_visit + most visits) * gumbel_c_scale * (q + 1) / 2. Gumbel 3.4 uses 50."""
    gumbel_c_scale: float = 1.0
    """Scale of the same, >= 0. Gumbel 3.4 uses 1 in board games."""
    gumbel_interior: bool = False
    """Below a Gumbel root, visit the edge that lags most behind the improved policy; off: PUCT.
    Gumbel 5."""
    temperature: float = 1.0
    """Self-play moves are drawn by visits ** (1 / temperature); >= 0, 0 plays the most visited."""
    final_temperature: float = 0.0
    """The temperature that `temperature` has fallen to after `temperature_plies`."""
    temperature_plies: int = 0
    """Plies over which the temperature halves, exponentially; 0: it does not fall."""
    leaves_in_flight: int = 1
    """Leaves of one tree that may wait for the network at once, >= 1. More than one costs search
    quality (virtual loss) and is meant for play and analysis."""
    virtual_loss: float = 1.0
    """Losses an edge is charged with while a leaf below it is in flight, >= 0; unused with one
    leaf in flight."""
    reuse_tree: bool = True
    """Keep the chosen child's subtree for the next move."""
    transpositions: bool = False
    """A position that several lines reach at the same ply is searched once for all of them: the
    tree becomes a graph. KataGo, docs/GraphSearch.md; Czech et al. 2020."""
    count_kept: bool = True
    """A kept subtree's visits count towards the simulations, which makes self-play cheaper. Off,
    every move runs all of its simulations: matches do that."""
    memory_mb: float = 0.0
    """Megabytes (1e6 bytes) of one search's arenas, the spare one for a kept subtree included; a
    search that fills its arena ends early and is counted. 0: what the simulations need. In a pool,
    `PoolConfig.memory_mb` goes before it."""
    solver: bool = False
    """Back proven wins, draws and losses up the tree: a proven node is not searched again, a
    proven loss not chosen, and a proven root ends the search (Winands et al., "Monte-Carlo tree
    search solver", 2008)."""
    decisive_moves: bool = False
    """Try the moves of every new leaf: where one wins at once the leaf is proven, and needs no
    evaluation. Little beside a network's evaluation: 0.1 us a leaf in Connect Four, 3 in chess.
    Needs the solver. Teytaud and Teytaud, "On the huge benefit of decisive moves in Monte-Carlo
    tree search algorithms" (2010)."""
    endgame_nodes: int = 0
    """A self-play search first tries to search all that is left of the game, by alpha-beta, in so
    many positions, >= 0; if that suffices, result and moves are exact and nothing is simulated.
    Needs the solver; 0: off. Knuth and Moore, "An analysis of alpha-beta pruning" (1975)."""
    endgame_from: int = 0
    """The first ply of a game at which that is tried, since before it would be in vain; below 0 it
    is counted back from the longest possible game, so that one number does for boards of all
    sizes."""
    endgame_fraction: float = 1.0
    """Share of the full searches solved so that are trained on, in [0, 1]: games go through their
    ends for nothing, and what searches find there by themselves need not fill the batches."""
    leaf_endgame_nodes: int = 0
    """The same for every new leaf: where so many positions, >= 0, suffice to search all that is
    left of the game, the leaf is proven and needs no evaluation. Needs the solver; 0: off. Baier
    and Winands, "MCTS-minimax hybrids" (IEEE TCIAIG 7, 2015)."""
    leaf_endgame_from: int = 0
    """The first ply of a game at which leaves are tried so; below 0 as `endgame_from`."""
    end_when_proven: bool = False
    """End a game at once when a search of this player has proven its result, and credit that: the
    plies left would only play it out. Needs the solver."""
    resign_value: float = 0.0
    """A player resigns once its searches' values are at or below this; in [-1, 0],
    0: nobody does. AlphaGo Zero (Nature 550, 2017) kept wrong resignations below 5 %."""
    resign_plies: int = 3
    """So many of its searches, one after the other, must have said so, >= 1."""
    resign_playout: float = 0.1
    """Share of the games that are played on all the same, to count wrong resignations; in [0, 1].
    AlphaGo Zero's 0.1."""

    def __post_init__(self) -> None:
        check_fields(
            self,
            num_simulations=("an integer >= 1", self.num_simulations >= 1),
            fast_simulations=("an integer >= 0", self.fast_simulations >= 0),
            full_fraction=("in [0, 1]", 0 <= self.full_fraction <= 1),
            full_plies=("an integer >= 0", self.full_plies >= 0),
            initial_simulations=(
                "0, or an integer from fast_simulations up to num_simulations",
                self.initial_simulations == 0
                or max(1, self.fast_simulations)
                <= self.initial_simulations
                <= self.num_simulations,
            ),
            progressive_share=("in (0, 1]", 0 < self.progressive_share <= 1),
            c_init=("> 0", self.c_init > 0),
            c_base=("> 0", self.c_base > 0),
            fpu_reduction=(">= 0", self.fpu_reduction >= 0),
            root_fpu_reduction=(">= 0", self.root_fpu_reduction >= 0),
            dirichlet_alpha=("> 0", self.dirichlet_alpha > 0),
            dirichlet_fraction=("in [0, 1]", 0 <= self.dirichlet_fraction <= 1),
            dirichlet_total=(">= 0", self.dirichlet_total >= 0),
            root_policy_temperature=("> 0", self.root_policy_temperature > 0),
            final_root_policy_temperature=("> 0", self.final_root_policy_temperature > 0),
            forced_playouts=(">= 0", self.forced_playouts >= 0),
            widening_base=(">= 0", self.widening_base >= 0),
            widening_exponent=("in [0, 1]", 0 <= self.widening_exponent <= 1),
            gumbel_actions=("an integer >= 0", self.gumbel_actions >= 0),
            gumbel_scale=(">= 0", self.gumbel_scale >= 0),
            gumbel_c_visit=(">= 0", self.gumbel_c_visit >= 0),
            gumbel_c_scale=(">= 0", self.gumbel_c_scale >= 0),
            temperature=(">= 0", self.temperature >= 0),
            final_temperature=(">= 0", self.final_temperature >= 0),
            temperature_plies=("an integer >= 0", self.temperature_plies >= 0),
            leaves_in_flight=("an integer in [1, 1024]", 1 <= self.leaves_in_flight <= 1024),
            virtual_loss=(">= 0", self.virtual_loss >= 0),
            memory_mb=(">= 0", self.memory_mb >= 0),
            decisive_moves=("false without the solver", self.solver or not self.decisive_moves),
            endgame_nodes=(
                "an integer >= 0, and 0 without the solver",
                self.endgame_nodes >= 0 and (self.solver or not self.endgame_nodes),
            ),
            endgame_fraction=("in [0, 1]", 0 <= self.endgame_fraction <= 1),
            leaf_endgame_nodes=(
                "an integer >= 0, and 0 without the solver",
                self.leaf_endgame_nodes >= 0 and (self.solver or not self.leaf_endgame_nodes),
            ),
            end_when_proven=(
                "false without the solver", self.solver or not self.end_when_proven
            ),
            resign_value=("in [-1, 0]", -1 <= self.resign_value <= 0),
            resign_plies=("an integer >= 1", self.resign_plies >= 1),
            resign_playout=("in [0, 1]", 0 <= self.resign_playout <= 1),
        )

    def simulations_at(self, progress: float) -> int:
        """Simulations of a full search when this share of the run's budget is spent, in [0, 1]."""
        if not self.initial_simulations:
            return self.num_simulations
        grown = min(progress / self.progressive_share, 1.0)
        return round(
            self.initial_simulations + grown * (self.num_simulations - self.initial_simulations))
