"""Tic-tac-toe from nothing: one command, less than a minute, and no game is lost."""

import random
from collections.abc import Iterator

import pytest
import torch
from perfect_tictactoe import at_random, match, perfect, trained
from running import ringzero

SECONDS = 40


def test_perfect_players_draw_and_random_ones_lose() -> None:
    assert match(perfect(random.Random(1)), perfect(random.Random(2)), 40) == (0, 40, 0)
    wins, _, losses = match(perfect(random.Random(3)), at_random(random.Random(4)), 100)
    assert wins > 70 and losses == 0


@pytest.fixture
def one_thread() -> Iterator[None]:
    """A position at a time has no work for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_tictactoe_learns_not_to_lose(tmp_path) -> None:
    run = tmp_path / "run"
    done = ringzero(
        *("train", "tictactoe", "--run", run, "--max-time", f"{SECONDS}s"),
        # Two threads of so small a network wait for each other as soon as a core is wanted.
        *("--seed", "1", "--no-progress", "--evaluation.every_minutes=0", "--learner.threads=1"),
        timeout_s=SECONDS + 40,
    )
    assert done.returncode == 0, done.stderr
    player = trained(str(run), num_simulations=50)
    _, _, lost = match(player, perfect(random.Random(5)), 100)
    assert lost == 0, done.stdout
    wins, _, lost = match(player, at_random(random.Random(6)), 200)
    assert lost == 0 and wins > 150, done.stdout
