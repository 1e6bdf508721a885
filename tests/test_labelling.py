"""The best label: sequential matches, the file that names it, and runs whose label moves."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from running import TINY
from test_checkpoint import save_at
from test_learner import make_learner
from test_match import played

import games
from engine.errors import ConfigError, StoreError
from trainer.arena.players import contestant, find_model
from trainer.arena.sequential import Tally, play_sequential
from trainer.arena.sprt import Sprt, Standing
from trainer.best import Best, read_best, write_best
from trainer.checkpoint import CheckpointStore
from trainer.config import resolve
from trainer.display import open_display
from trainer.labelling import Labelling
from trainer.loop import Trainer
from trainer.replay import ReplayStore
from trainer.runs import RunFolder

GAME = games.make("tictactoe")
RANDOM = contestant("random", 1)
EASY = {"evaluation.best_elo0": -800, "evaluation.best_elo1": -700}
"""Hypotheses under which any challenger gets the label at once."""
HARD = {"evaluation.best_elo0": 700, "evaluation.best_elo1": 800}
"""And none does."""


# -- the match --------------------------------------------------------------------------------


def test_pairs_count_in_the_order_of_their_numbers() -> None:
    tally = Tally(Sprt(elo0=0, elo1=200))
    order = [2, 3, 5, 4, 1]  # the first pair is not complete
    for number in order:
        tally.add(played(number, 1 if number % 2 == 0 else -1))  # our player wins
    assert tally.counts == [0] * 5
    tally.add(played(0, 1))
    assert tally.counts == [0, 0, 0, 0, 3]


def test_nothing_counts_after_the_verdict() -> None:
    test = Sprt(elo0=0, elo1=400)
    tally = Tally(test)
    for number in range(200):
        tally.add(played(number, 1 if number % 2 == 0 else -1))
    pairs = tally.counts[4]
    assert tally.standing.verdict == "stronger" and pairs < 20
    assert not test.standing([0, 0, 0, 0, pairs - 1]).decided


def test_a_clear_match_ends_early_and_a_vain_one_at_its_cap() -> None:
    strong = contestant("mcts:100", 1)
    test = Sprt(elo0=0, elo1=100)
    seen: list[int] = []
    found = play_sequential(
        GAME, strong, RANDOM, test, 200, opening_plies=3, seed=2,
        on_pair=lambda done, standing: seen.append(done),
    )  # fmt: skip
    assert found is not None and found.standing.verdict == "stronger"
    assert found.games < 60 and seen[-1] == found.games == 2 * sum(found.counts)
    assert json.loads(json.dumps(found.as_json()))["sprt"]["verdict"] == "stronger"
    turned = play_sequential(GAME, RANDOM, strong, test, 200, opening_plies=3, serial=True)
    assert turned is not None and turned.standing.verdict == "not stronger"
    # Nine first moves and the empty board: twenty different games, however many are asked for.
    short = play_sequential(
        GAME, RANDOM, RANDOM, Sprt(elo0=0, elo1=5), 400, opening_plies=1, serial=True
    )
    assert short is not None and short.standing.verdict == "undecided" and short.games == 20


def test_a_test_can_be_given_up() -> None:
    def stop(_: int, standing: Standing) -> bool:
        return True

    assert play_sequential(GAME, RANDOM, RANDOM, Sprt(), 40, serial=True, on_pair=stop) is None


# -- the file ---------------------------------------------------------------------------------

BEST = Best(step=20, generation=2, elapsed_s=7.5, games=64, llr=3.0)


def test_the_label_reads_back_as_written(tmp_path) -> None:
    assert read_best(tmp_path) is None
    write_best(tmp_path, BEST)
    assert read_best(tmp_path) == BEST
    assert [path.name for path in tmp_path.iterdir()] == ["best.json"]


@pytest.mark.parametrize("text", ["", "{}", "[3]", '{"step": 3, "colour": 1}', '{"step": "x"}'])
def test_a_damaged_label_is_named_with_its_remedy(text, tmp_path) -> None:
    (tmp_path / "best.json").write_text(text)
    with pytest.raises(StoreError, match=r"best\.json does not name a checkpoint.*delete it"):
        read_best(tmp_path)


def test_the_checkpoint_with_the_label_is_never_dropped(tmp_path) -> None:
    store = CheckpointStore(tmp_path / "checkpoints", keep=1, keep_every=0)
    learner = make_learner()
    for generation in (1, 2, 3, 4):
        save_at(store, learner, 10 * generation, generation=generation)
        if generation == 2:
            write_best(tmp_path, BEST)
    assert store.steps() == [20, 40]


def test_players_are_named_by_label_and_step(tiny_run, tmp_path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    steps = sorted(int(path.name) for path in (run / "checkpoints").iterdir())
    with pytest.raises(StoreError, match="has no best checkpoint"):
        find_model(f"{run}:best")
    write_best(run, Best(step=steps[0], generation=1, elapsed_s=0.0))
    first = run / "checkpoints" / f"{steps[0]:08d}" / "model.safetensors"
    assert find_model(f"{run}:best") == find_model(f"{run}:{steps[0]}") == first
    assert contestant(f"{run}:best", 4).model == first
    assert contestant(f"{run}:best", 4).name == f"{run}:best"
    assert find_model(run) == find_model(f"{run}:{steps[-1]}") != first
    with pytest.raises(StoreError, match=f"names no checkpoint.*steps are .*{steps[-1]}"):
        find_model(f"{run}:999999")
    with pytest.raises(ConfigError, match="RUN:best and RUN:STEP"):
        contestant(f"{tmp_path}/nothing:best", 1)


def test_a_path_with_a_colon_is_still_a_path(tiny_run, tmp_path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run:7")
    assert find_model(str(run)).is_relative_to(run)


# -- runs -------------------------------------------------------------------------------------


def trained(run: Path, generations: int, **changes: Any) -> list[dict[str, Any]]:
    """Train in this process; the tests that the store has kept."""
    values = {
        **TINY,
        "seed": 4,
        "budget.max_generations": generations,
        "checkpoints.keep": 1,
        "checkpoints.keep_every": 0,
        "evaluation.best_every_minutes": 1e-4,
        "evaluation.best_share": 1.0,
        "evaluation.best_games": 16,
        **changes,
    }
    folder = RunFolder(run)
    config = folder.open_config("tictactoe", [], values)
    with folder, open_display(quiet=True) as display:
        folder.save_config(config)
        Trainer(folder, config, display, serial=True).run()
    with ReplayStore(run / "run.db", GAME) as store:
        return [row for row in store.matches() if "sprt" in row]


def played_generations(run: Path) -> set[int]:
    with ReplayStore(run / "run.db", GAME) as store:
        return {game.generation for game in store.games()}


def test_the_label_moves_to_what_is_stronger_and_every_generation_plays(tmp_path) -> None:
    tests = trained(tmp_path / "run", 3, **EASY)
    # The last generation ends the run before it is tested.
    assert [row["sprt"]["verdict"] for row in tests] == ["stronger"] * 2
    best = read_best(tmp_path / "run")
    assert best is not None and best.generation == 2 and best.step == tests[-1]["step"]
    assert tests[1]["best_step"] == tests[0]["step"] and tests[0]["best_step"] == 0
    assert best.games == tests[-1]["games"] and best.llr > 2.9
    # Kept beside the newest, although only one is to be.
    steps = CheckpointStore(tmp_path / "run" / "checkpoints").steps()
    assert steps[0] == best.step and len(steps) == 2
    assert find_model(f"{tmp_path / 'run'}:best").parent.name == f"{best.step:08d}"
    assert played_generations(tmp_path / "run") == {0, 1, 2}


def test_with_gating_only_labelled_weights_play(tmp_path) -> None:
    shut, open_ = tmp_path / "shut", tmp_path / "open"
    tests = trained(shut, 3, **HARD, **{"selfplay.gating": True})
    assert [row["sprt"]["verdict"] for row in tests] == ["not stronger"] * 2
    best = read_best(shut)
    assert best is not None and (best.step, best.generation, best.games) == (0, 0, 0)
    assert played_generations(shut) == {0}
    # A session that goes on begins with the label's weights, not with the newest.
    trained(shut, 4, **HARD, **{"selfplay.gating": True})
    assert played_generations(shut) == {0}
    trained(open_, 3, **EASY, **{"selfplay.gating": True})
    assert played_generations(open_) == {0, 1, 2}


def test_without_the_switch_nothing_is_labelled(tmp_path) -> None:
    assert trained(tmp_path / "run", 1, **{"evaluation.best_every_minutes": 0}) == []
    assert not (tmp_path / "run" / "best.json").exists()


def test_a_label_whose_checkpoint_is_gone_is_named(tiny_run, tmp_path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    write_best(run, Best(step=987, generation=1, elapsed_s=0.0))
    with pytest.raises(StoreError, match=r"best\.json names checkpoint 987, which is not there"):
        trained(run, 3, seed=3, **{"learner.validation_share": 0.1})


def test_tests_keep_to_their_share_of_the_time(tiny_run, tmp_path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    values = {"evaluation.best_every_minutes": 1, "evaluation.best_share": 0.1}
    config = resolve(str(run / "config.toml"), [], values)
    folder, checkpoints = RunFolder(run), CheckpointStore(run / "checkpoints")
    first, last = checkpoints.steps()[0], checkpoints.latest()
    write_best(run, Best(step=first, generation=0, elapsed_s=0.0))
    with ReplayStore(run / "run.db", GAME) as store:
        store.add_match({"sprt": {}, "seconds": 60.0})
        labels = Labelling(folder, GAME, config, checkpoints, store)
        labels.begin(2, 500.0)
        assert not labels.due(559.0)  # the minute is not over
        assert not labels.due(599.0)  # 60 of 599 seconds are more than a tenth
        assert labels.due(601.0)
        write_best(run, Best(step=last or 0, generation=2, elapsed_s=0.0))
        labels = Labelling(folder, GAME, config, checkpoints, store)
        labels.begin(2, 500.0)
        assert not labels.due(1e6)  # nobody challenges


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"selfplay.gating": "yes"}, "selfplay.gating needs evaluation.best_every_minutes > 0"),
        ({"evaluation.best_elo1": "0"}, "best_elo1 must be > best_elo0, got 0.0"),
        ({"evaluation.best_share": "0"}, r"best_share must be in \(0, 1\], got 0.0"),
        ({"evaluation.best_alpha": "0.5"}, r"best_alpha must be in \(0, 0.5\), got 0.5"),
        ({"evaluation.best_games": "1"}, "best_games must be an integer >= 2, got 1"),
    ],
)
def test_impossible_settings_are_refused(values, says) -> None:
    with pytest.raises(ConfigError, match=says):
        resolve("tictactoe", [], values)


def test_seats_are_changed_in_odd_games() -> None:
    tally = Tally(Sprt(elo0=0, elo1=10))
    for number in (0, 1):
        tally.add(played(number, 1))  # whoever begins wins
    assert tally.counts == [0, 0, 1, 0, 0]
