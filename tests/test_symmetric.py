"""The wrapper that averages over symmetries."""

from collections.abc import Sequence

import numpy as np
import pytest
from playing import Opinionated

import games
from engine.backends.symmetric import SymmetricEvaluator
from engine.evaluator import Run
from games import Game, GameState


def ask(game: Game, states: Sequence[GameState]) -> Run:
    num = len(states)
    run = Run(
        np.stack([state.packed_observation() for state in states]),
        np.zeros((num, game.num_actions), np.float32),
        np.zeros((num, 3), np.float32),
    )
    # Two runs, as from two rings.
    parts = [Run(*(column[:1] for column in run)), Run(*(column[1:] for column in run))]
    SymmetricEvaluator(Opinionated(), game).evaluate(parts)
    return run


@pytest.mark.parametrize(
    ("name", "moves", "mirrored"),
    [("connect4", "4453", "4435"), ("connect4", "1277", "7611"), ("tictactoe", "0412", "2410")],
)
def test_mirror_images_get_mirrored_answers(name: str, moves: str, mirrored: str) -> None:
    game = games.make(name)
    states = [game.state_from_text(moves), game.state_from_text(mirrored)]
    if name == "tictactoe":
        mirror = [2, 1, 0, 5, 4, 3, 8, 7, 6]
    else:
        mirror = list(range(game.num_actions))[::-1]
    run = ask(game, states)
    np.testing.assert_allclose(run.policy_logits[1], run.policy_logits[0][mirror], rtol=1e-5)
    np.testing.assert_allclose(run.wdl_logits[1], run.wdl_logits[0], rtol=1e-5)


def test_it_is_the_mean_over_the_two_sides_of_a_board() -> None:
    game = games.make("connect4")
    states = [game.state_from_text("4453"), game.state_from_text("4435")]
    run = ask(game, states)
    single = Run(run.observations, *(np.zeros((2, width), np.float32) for width in (7, 3)))
    Opinionated().evaluate([single])
    expected = (single.policy_logits[0] + single.policy_logits[1][::-1]) / 2
    np.testing.assert_allclose(run.policy_logits[0], expected, rtol=1e-5)
