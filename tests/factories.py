"""Records, runs and networks that several tests need."""

import numpy as np
import torch

from engine.evaluator import Run
from engine.records import GameRecord
from games import Game
from trainer.config import NetworkConfig
from trainer.network import Network


def random_record(game: Game, number: int, *, seed: int = 0, fast: float = 0.0) -> GameRecord:
    """A random game whose "searches" visited the legal actions at random."""
    rng = np.random.default_rng((seed, number))
    state = game.initial_state()
    actions, players, observations, visited, visits, offsets = [], [], [], [], [], [0]
    while not state.is_terminal():
        legal = state.get_legal_actions()
        observations.append(state.packed_observation())
        players.append(state.get_current_player())
        visited += legal
        visits += rng.integers(1, 50, len(legal)).tolist()
        offsets.append(len(visits))
        actions.append(int(rng.choice(legal)))
        state.apply_action(actions[-1])
    return GameRecord(
        number=number,
        seed=seed,
        generation=number // 10,
        returns=np.array(state.returns(), np.float32),
        actions=np.array(actions, np.int32),
        players=np.array(players, np.int8),
        full_search=rng.random(len(actions)) >= fast,
        root_values=rng.uniform(-1, 1, len(actions)).astype(np.float32),
        prior_values=rng.uniform(-1, 1, len(actions)).astype(np.float32),
        surprises=rng.exponential(0.3, len(actions)).astype(np.float32),
        results=np.full(len(actions), 2, np.int8),
        distances=np.zeros(len(actions), np.int16),
        observations=np.stack(observations),
        policy_offsets=np.array(offsets, np.int32),
        policy_actions=np.array(visited, np.int32),
        policy_weights=np.array(visits, np.float32),
    )


def random_run(game: Game, rows: int, *, seed: int = 0) -> Run:
    """`rows` random positions, and results that are not numbers yet."""
    rng = np.random.default_rng(seed)
    observations = []
    while len(observations) < rows:
        state = game.initial_state()
        while not state.is_terminal() and len(observations) < rows:
            observations.append(state.packed_observation())
            state.apply_action(int(rng.choice(state.get_legal_actions())))
    return Run(
        np.array(observations, np.uint8).reshape(rows, game.observation_bytes),
        np.full((rows, game.num_actions), np.nan, np.float32),
        np.full((rows, 3), np.nan, np.float32),
    )


def lively_network(game: Game, *, seed: int = 0, **sizes: int) -> Network:
    """A network whose every part matters: a new one has zeros in many places."""
    network = Network(
        game.observation_shape,
        game.num_actions,
        NetworkConfig(**{"blocks": 3, "channels": 16, "pool_every": 2, **sizes}),
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith(("running_var", "norm.weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.is_floating_point():
                tensor.normal_(std=0.1 if tensor.ndim > 1 else 0.3, generator=generator)
    return network.eval()
