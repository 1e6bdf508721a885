"""Workers, servers and pools for tests, and comparison of what they record."""

import zlib
from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np

from engine.backends.spec import EvaluatorSpec
from engine.config import SearchConfig
from engine.evaluator import Evaluator, Run
from engine.journal import Journal
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig, segment_spec
from engine.records import GameRecord
from engine.segment import Segment
from engine.server import Server
from engine.worker import Worker
from games import Game

UNIFORM = EvaluatorSpec(kind="uniform")
FIELDS = (
    "number", "seed", "returns", "actions", "players", "full_search", "root_values",
    "prior_values", "surprises", "results", "distances", "observations", "policy_offsets",
    "policy_actions", "policy_weights", "num_opening", "ending", "resign_ply",
)  # fmt: skip


def network(num_simulations: int = 30, **search: float) -> PlayerSpec:
    """A network player whose games do not depend on whether they were interrupted.

    A kept subtree would: a replacement starts from the journal, which holds no trees.
    """
    options = {"temperature_plies": 8, "reuse_tree": False, **search}
    return PlayerSpec(search=SearchConfig(num_simulations=num_simulations, **options))


def play(pool: Pool, *, timeout_s: float = 60.0) -> dict[int, GameRecord]:
    """Every game of a pool that runs, by number; no number comes twice."""
    return by_number(pool.games(timeout_s))


def by_number(records: Iterable[GameRecord]) -> dict[int, GameRecord]:
    found: dict[int, GameRecord] = {}
    for record in records:
        assert record.number not in found
        found[record.number] = record
    return found


def serial_records(
    game: Game,
    players: Sequence[PlayerSpec],
    num_games: int,
    *,
    seed: int = 1,
    games_per_worker: int = 16,
    **options: Sequence[Sequence[int]] | int,
) -> dict[int, GameRecord]:
    """What the pool's games must be, from a run without processes."""
    evaluators = [UNIFORM] * (1 + max(player.model for player in players))
    with Pool(
        game,
        players,
        evaluators,
        PoolConfig(serial=True, games_per_worker=games_per_worker),
        seed=seed,
        game_limit=num_games,
        **options,
    ) as pool:
        return play(pool)


def assert_same_records(found: dict[int, GameRecord], expected: dict[int, GameRecord]) -> None:
    assert sorted(found) == sorted(expected)
    for number, record in expected.items():
        for field in FIELDS:
            np.testing.assert_array_equal(
                getattr(found[number], field),
                getattr(record, field),
                err_msg=f"{field} of game {number}",
            )


def assert_legal(game: Game, record: GameRecord, *, finished: bool = True) -> None:
    """The record is of a game by the rules, and its columns belong together."""
    state = game.initial_state()
    assert record.policy_offsets[0] == 0
    assert record.policy_offsets[-1] == len(record.policy_actions) == len(record.policy_weights)
    for ply, action in enumerate(record.actions):
        assert record.players[ply] == state.get_current_player()
        assert (record.observations[ply] == state.packed_observation()).all()
        entries = slice(record.policy_offsets[ply], record.policy_offsets[ply + 1])
        legal = state.get_legal_actions()
        assert set(record.policy_actions[entries].tolist()) <= set(legal)
        assert (record.policy_weights[entries] > 0).all()
        assert -1.0 <= record.root_values[ply] <= 1.0
        state.apply_action(int(action))
    assert state.is_terminal() == finished
    np.testing.assert_array_equal(record.returns, np.array(state.returns(), np.float32))


class Opinionated:
    """Logits that depend on every bit of the observation, and on nothing else."""

    name = "opinionated"

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def evaluate(self, runs: Sequence[Run]) -> None:
        for run in runs:
            for row, observation in enumerate(run.observations):
                self.asked.append(observation.tobytes())
                rng = np.random.default_rng(zlib.crc32(observation.tobytes()))
                run.policy_logits[row] = rng.normal(size=run.policy_logits.shape[1])
                run.wdl_logits[row] = rng.normal(size=3)

    def load(self, path: str) -> None:
        raise NotImplementedError


class OpinionatedSpec(EvaluatorSpec):
    """Servers in this process share one `Opinionated`, which is `evaluator`."""

    evaluator: ClassVar[Opinionated]

    def resolved(
        self, game: Game, streams: int = 0, say: object = None
    ) -> tuple[EvaluatorSpec, int, None]:
        return self, streams or 1, None

    def make_streams(
        self, game: Game, max_batch: int, streams: int, memory: object = None
    ) -> list[Evaluator]:
        return [self.evaluator] * streams


def opinions() -> tuple[Opinionated, EvaluatorSpec]:
    """An evaluator that remembers what it was asked, and its description for a serial pool."""
    OpinionatedSpec.evaluator = Opinionated()
    return OpinionatedSpec.evaluator, OpinionatedSpec()


class Table:
    """One worker and one server on a segment, driven by hand in this process."""

    def __init__(
        self,
        game: Game,
        players: Sequence[PlayerSpec],
        *,
        games: int = 4,
        limit: int = 2**63,
        seed: int = 1,
        openings: Sequence[Sequence[int]] = (),
        plies_per_game: int = 0,
        starts: int = 0,
        reanalyses: int = 0,
        begin_anew: bool = False,
    ) -> None:
        self.game, self.players, self.games, self.seed = game, list(players), games, seed
        self.openings, self.plies_per_game = openings, plies_per_game
        self.begin_anew = begin_anew
        config = PoolConfig(games_per_worker=games, starts=starts, reanalyses=reanalyses)
        self.spec = segment_spec(game, players, 1, config)
        self.segment = Segment(self.spec)
        self.segment.game_limit = limit
        self.journals = [Journal(self.segment, i) for i in range(self.spec.journals_per_worker)]
        self.records: dict[int, GameRecord] = {}
        self.server = self.new_server()
        self.worker = self.new_worker()

    def new_server(self) -> Server:
        return Server(self.segment, 0, self.game, UNIFORM)

    def new_worker(self) -> Worker:
        return Worker(
            self.segment, 0, self.game, self.players, self.games, seed=self.seed,
            openings=self.openings, plies_per_game=self.plies_per_game,
            begin_anew=self.begin_anew,
        )  # fmt: skip

    def serve(self) -> None:
        while self.server.step():
            pass

    def round(self) -> None:
        """One step of each half, and every answer."""
        for group in (0, 1):
            assert self.worker.step(group, False) >= 0
            self.serve()

    def collect(self) -> None:
        for journal in self.journals:
            if journal.is_finished:
                record = journal.record(self.seed)
                assert record.number not in self.records
                self.records[record.number] = record
                journal.free()

    def play(self, num_games: int, max_rounds: int = 100_000) -> dict[int, GameRecord]:
        """Until so many games are over."""
        for _ in range(max_rounds):
            if len(self.records) >= num_games:
                return self.records
            self.round()
            self.collect()
        raise AssertionError(f"{len(self.records)} of {num_games} games after {max_rounds} rounds")
