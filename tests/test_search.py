"""The search against a short reference, its invariants, and what it finds."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import signature
from reference_search import (
    HashEvaluator,
    Node,
    ReferenceSearch,
    hash_evaluation,
    uniform_evaluation,
)

import games
from engine.config import SearchConfig
from engine.errors import EvaluatorError
from engine.evaluator import Run
from engine.local import LocalRollout, LocalUniform
from engine.search import Search
from engine.testing import draw
from games import Game, GameState, IllegalActionError

DATA = Path(__file__).resolve().parent / "data"
NOISE = 2  # PURPOSE_NOISE of engine/rng.pxd
POSITIONS = {
    "connect4": [[], [3, 3, 3, 3, 3, 2], [0, 6, 1, 5, 3], [2, 4, 3, 3, 1, 0, 0, 0, 0, 6]],
    "tictactoe": [[], [4], [0, 4, 8], [0, 1, 4, 8, 6]],
}
KINDS = ["uniform", "hash"]


def position(game: Game, actions: Sequence[int]) -> GameState:
    state = game.initial_state()
    for action in actions:
        state.apply_action(action)
    return state


def pair(kind: str, state: GameState, config: SearchConfig) -> tuple[Search, Any, ReferenceSearch]:
    """A search of `state`, its evaluator, and the reference."""
    search = Search(state.game, config)
    search.set_state(state)
    if kind == "uniform":
        return search, LocalUniform(), ReferenceSearch(state, config, uniform_evaluation)
    return search, HashEvaluator(), ReferenceSearch(state, config, hash_evaluation)


def assert_same_tree(search: Search, reference: ReferenceSearch) -> None:
    """Every edge of the two trees has the same visits, prior and value."""
    nodes = search.dump()
    assert reference.root is not None and nodes
    pairs: list[tuple[int, Node]] = [(0, reference.root)]
    seen = 0
    for index, node in pairs:
        seen += 1
        assert nodes[index]["player"] == node.player
        assert nodes[index]["value"] == pytest.approx(float(node.value), abs=1e-6)
        edges = {edge["action"]: edge for edge in nodes[index]["edges"]}
        assert sorted(edges) == node.state.get_legal_actions()
        for action, edge in edges.items():
            assert edge["visits"] == node.visits.get(action, 0)
            assert edge["prior"] == pytest.approx(float(node.prior[action]), rel=1e-5)
            value_sum = float(node.value_sum.get(action, 0.0))
            assert edge["value_sum"] == pytest.approx(value_sum, abs=1e-4)
            if action in node.children:
                pairs.append((edge["child"], node.children[action]))
            else:
                assert edge["child"] == -1
    assert seen == len(nodes)


def assert_invariants(search: Search, num_simulations: int) -> None:
    """What holds of any tree when nothing is in flight."""
    nodes = search.dump()
    assert sum(edge["visits"] for edge in nodes[0]["edges"]) == num_simulations
    for index, node in enumerate(nodes):
        edges = node["edges"]
        visits = [edge["visits"] for edge in edges]
        if node["status"] == 2:
            assert not edges and node["value"] in (-1.0, 0.0, 1.0)
            continue
        assert node["status"] == 1 and edges
        assert sum(edge["prior"] for edge in edges) == pytest.approx(1.0, abs=1e-5)
        num_visited = sum(n > 0 for n in visits)
        assert all(n > 0 for n in visits[:num_visited]), "visited edges must be a prefix"
        unvisited = edges[num_visited:]
        if unvisited:
            front = max(unvisited, key=lambda e: (e["prior"], -e["action"]))
            assert unvisited[0] is front, "behind the visited edges comes the highest prior"
        for edge in edges:
            assert (edge["child"] >= 0) == (edge["visits"] > 0)
            assert abs(edge["value_sum"]) <= edge["visits"] + 1e-3
            if edge["child"] >= 0:
                child = nodes[edge["child"]]
                assert edge["child"] > index
                # A child's own evaluation is the first visit to it; terminals count every time.
                if child["status"] == 1:
                    assert edge["visits"] == 1 + sum(e["visits"] for e in child["edges"])
                    below = child["value"] + sum(e["value_sum"] for e in child["edges"])
                    sign = 1 if child["player"] == node["player"] else -1
                    assert edge["value_sum"] == pytest.approx(sign * below, abs=1e-2)


# -- the reference --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", POSITIONS)
@pytest.mark.parametrize("num_simulations", [1, 7, 100])
def test_same_visits_as_the_reference(name: str, kind: str, num_simulations: int) -> None:
    game = games.make(name)
    for actions in POSITIONS[name]:
        config = SearchConfig(num_simulations=num_simulations)
        search, evaluator, reference = pair(kind, position(game, actions), config)
        search.run(evaluator)
        reference.run(num_simulations)
        assert_same_tree(search, reference)
        assert_invariants(search, num_simulations)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", POSITIONS)
def test_same_visits_as_the_reference_in_a_long_search(name: str, kind: str) -> None:
    game = games.make(name)
    config = SearchConfig(num_simulations=800)
    search, evaluator, reference = pair(kind, position(game, POSITIONS[name][2]), config)
    search.run(evaluator)
    reference.run(800)
    assert_same_tree(search, reference)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {"fpu_reduction": 0.0},
        {"fpu_reduction": 0.6},
        {"c_init": 3.0, "c_base": 50.0},
        {"c_init": 0.3, "fpu_reduction": 1.5},
    ],
)
def test_same_visits_as_the_reference_with_other_constants(
    kind: str, options: dict[str, float]
) -> None:
    game = games.make("connect4")
    config = SearchConfig(num_simulations=120, **options)
    search, evaluator, reference = pair(kind, position(game, [3, 2]), config)
    search.run(evaluator)
    reference.run(120)
    assert_same_tree(search, reference)


@pytest.mark.parametrize(
    ("name", "kind", "leaves"),
    [
        ("connect4", "uniform", 1),
        ("connect4", "hash", 1),
        ("connect4", "hash", 4),
        ("tictactoe", "uniform", 1),
        ("tictactoe", "hash", 1),
    ],
)
def test_same_visits_as_the_reference_with_a_kept_subtree(
    name: str, kind: str, leaves: int
) -> None:
    game = games.make(name)
    config = SearchConfig(num_simulations=80, leaves_in_flight=leaves)
    search, evaluator, reference = pair(kind, game.initial_state(), config)
    for ply in range(6):
        search.run(evaluator)
        reference.run(80)
        assert_same_tree(search, reference)
        # Not always the best one, so that subtrees of all sizes are kept.
        candidates = search.candidates()
        action = candidates[min(ply % 3, len(candidates) - 1)]["action"]
        search.play(action)
        reference.advance(action)
        assert (search.num_nodes == 0) == (reference.root is None)


@pytest.mark.parametrize("leaves", [2, 4, 16])
@pytest.mark.parametrize("name", POSITIONS)
def test_same_visits_as_the_reference_with_leaves_in_flight(name: str, leaves: int) -> None:
    game = games.make(name)
    for actions in POSITIONS[name]:
        for virtual_loss in (0.0, 1.0, 3.0):
            config = SearchConfig(leaves_in_flight=leaves, virtual_loss=virtual_loss)
            search, evaluator, reference = pair("hash", position(game, actions), config)
            search.run(evaluator, 100)
            reference.run(100)
            assert_same_tree(search, reference)
            assert_invariants(search, 100)


def test_same_visits_as_the_reference_with_noise_at_the_root() -> None:
    game = games.make("connect4")
    config = SearchConfig(dirichlet_alpha=0.5, root_fpu_reduction=0.1)
    search, evaluator, reference = pair("hash", position(game, [3]), config)
    search.run(evaluator, 1)  # evaluates the root, so that its edges' order is known
    reference.run(1)
    order = [edge["action"] for edge in search.dump()[0]["edges"]]
    gammas = draw("gamma", len(order), seed=11, purpose=NOISE, parameter=0.5)
    search.run(evaluator, 200, seed=11)
    assert reference.root is not None
    reference.root.prior = {action: reference.root.prior[action] for action in order}
    reference.run(200, gammas)
    assert_same_tree(search, reference)


def test_same_visits_as_the_reference_where_players_do_not_alternate() -> None:
    game = double_move()
    for kind in KINDS:
        for leaves in (1, 4):
            config = SearchConfig(leaves_in_flight=leaves if kind == "hash" else 1)
            search, evaluator, reference = pair(kind, game.initial_state(), config)
            search.run(evaluator, 150)
            reference.run(150)
            assert_same_tree(search, reference)


# -- golden trees ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", signature.GOLDEN)
def test_golden_tree(name: str) -> None:
    golden = json.loads((DATA / f"golden_tree_{name}.json").read_text())["nodes"]
    found = signature.golden_tree(name)
    assert len(found) == len(golden)
    for node, expected in zip(found, golden, strict=True):
        assert node.keys() == expected.keys()
        assert (node["player"], node["status"]) == (expected["player"], expected["status"])
        assert node["value"] == pytest.approx(expected["value"], abs=1e-6)
        assert len(node["edges"]) == len(expected["edges"])
        for edge, wanted in zip(node["edges"], expected["edges"], strict=True):
            assert edge.keys() == wanted.keys()
            for field in ("action", "visits", "child"):
                assert edge[field] == wanted[field]
            assert edge["prior"] == pytest.approx(wanted["prior"], abs=1e-6)
            assert edge["value_sum"] == pytest.approx(wanted["value_sum"], abs=1e-4)


def test_the_signature_is_the_recorded_one() -> None:
    recorded = int((DATA / "signature.txt").read_text())
    assert signature.signature() == recorded, (
        "the search changed; if it was meant to, run python tests/signature.py --write and put "
        "the signature into the commit"
    )


# -- behaviour ------------------------------------------------------------------------------


@pytest.mark.parametrize("leaves", [1, 8])
def test_invariants_hold_through_a_whole_game(leaves: int) -> None:
    game = games.make("connect4")
    search = Search(game, SearchConfig(num_simulations=150, leaves_in_flight=leaves))
    state = game.initial_state()
    for seed in range(game.max_game_length):
        if state.is_terminal():
            return
        search.run(HashEvaluator(), seed=seed)
        assert_invariants(search, 150)
        action = search.candidates()[0]["action"]
        search.play(action)
        state.apply_action(action)
    pytest.fail("the game did not end")


def test_kept_visits_count_towards_the_target() -> None:
    search = Search(games.make("connect4"), SearchConfig(num_simulations=100))
    search.run(LocalUniform())
    first = search.num_simulations
    search.play(search.candidates()[0]["action"])
    kept = int(search.root_visits().sum())
    assert kept > 0
    search.run(LocalUniform())
    assert search.num_simulations == first + 100 - kept
    search.run(LocalUniform())
    assert search.num_simulations == first + 100 - kept


def test_a_finished_game_is_nothing_to_search() -> None:
    game = games.make("tictactoe")
    search = Search(game, SearchConfig())
    search.set_state(position(game, [0, 3, 1, 4, 2]))
    with pytest.raises(ValueError, match="the game is over"):
        search.run(LocalUniform())


def test_a_forced_move_gets_every_visit() -> None:
    game = games.make("tictactoe")
    search = Search(game, SearchConfig())
    search.set_state(position(game, [0, 1, 2, 4, 3, 6, 5, 8]))
    search.run(LocalUniform(), 25)
    assert search.root_visits().tolist() == [0, 0, 0, 0, 0, 0, 0, 25, 0]
    assert search.dump()[1]["status"] == 2


def test_a_win_in_one_is_found() -> None:
    for name, actions, best in (
        ("connect4", [3, 0, 3, 0, 3, 1], 3),
        ("connect4", [0, 3, 0, 4, 1, 5, 1], 2),  # and for the second player, along a row
        ("tictactoe", [0, 3, 1, 4], 2),
    ):
        game = games.make(name)
        for evaluator in (LocalUniform(), LocalRollout(game, 5), HashEvaluator()):
            search = Search(game, SearchConfig(num_simulations=200))
            search.set_state(position(game, actions))
            search.run(evaluator)
            winning = [
                a
                for a in position(game, actions).get_legal_actions()
                if wins(position(game, [*actions, a]))
            ]
            assert best in winning
            assert search.candidates()[0]["action"] in winning
            assert search.candidates()[0]["value"] == pytest.approx(1.0)
            assert search.value > 0.5
            assert search.principal_variation()[0] in winning


def wins(state: GameState) -> bool:
    """Whether the move just made has won."""
    return state.is_terminal() and max(state.returns()) == 1.0


def test_a_loss_in_two_is_seen() -> None:
    game = games.make("tictactoe")
    search = Search(game, SearchConfig(num_simulations=400))
    search.set_state(position(game, [0, 1, 4]))  # 8 is threatened
    search.run(LocalUniform())
    assert search.candidates()[0]["action"] == 8


def double_move(**options: Any) -> Game:
    return games.make(str(Path(__file__).resolve().parent / "double_move.py"), **options)


@cache
def solved(heap: int) -> int:
    """Of the double-move game, for the player to move: +1 won, -1 lost."""
    if heap == 0:
        raise AssertionError("a finished game has nobody to move")
    outcomes = []
    for take in range(1, min(3, heap) + 1):
        if take == heap:
            outcomes.append(1)
        else:
            outcomes.append(solved(heap - take) * (1 if take == 2 else -1))
    return max(outcomes)


def test_values_have_the_right_sign_where_players_do_not_alternate() -> None:
    game = double_move()
    for heap in range(1, 10):
        for player in (0, 1):
            search = Search(game, SearchConfig(num_simulations=1500))
            search.set_state(game.state_from_text(f"{heap} {player}"))
            search.run(LocalUniform())
            assert search.num_full_stops == 0
            assert search.value * solved(heap) > 0.4, (heap, player, search.value)
            best = search.candidates()[0]
            assert best["value"] * solved(heap) > 0.4


def test_a_full_arena_ends_the_search_early_and_is_counted() -> None:
    game = games.make("connect4")
    for leaves in (1, 4):
        search = Search(game, SearchConfig(leaves_in_flight=leaves), node_capacity=40)
        search.run(HashEvaluator(), 1000)
        assert search.num_full_stops == 1
        num = int(search.root_visits().sum())
        assert 30 < num < 1000 and search.num_nodes <= 40
        assert num == search.num_simulations
        assert_invariants(search, num)
        # A move makes room, and the search goes on.
        search.play(search.candidates()[0]["action"])
        search.run(HashEvaluator(), 10)
        assert search.root_visits().sum() >= 10


def test_noise_is_reproducible_and_keeps_the_sum() -> None:
    game = games.make("connect4")

    def priors(seed: int | None) -> dict[int, float]:
        search = Search(game, SearchConfig(dirichlet_alpha=0.3))
        search.run(LocalUniform(), 1, seed=seed)
        return {c["action"]: c["prior"] for c in search.candidates()}

    assert priors(3) == priors(3)
    assert priors(3) != priors(4)
    assert all(p == pytest.approx(1 / 7) for p in priors(None).values())
    for seed in range(20):
        assert sum(priors(seed).values()) == pytest.approx(1.0, abs=1e-5)
        assert min(priors(seed).values()) >= 0.75 / 7 - 1e-6


def test_noise_is_mixed_into_a_kept_root_too() -> None:
    search = Search(games.make("connect4"), SearchConfig(num_simulations=100))
    search.run(LocalUniform())
    search.play(3)
    before = {c["action"]: c["prior"] for c in search.candidates()}
    search.run(LocalUniform(), seed=1)
    after = {c["action"]: c["prior"] for c in search.candidates()}
    assert before != after
    assert sum(after.values()) == pytest.approx(1.0, abs=1e-5)
    assert_invariants(search, 100)


def test_the_same_search_twice_gives_the_same_tree() -> None:
    game = games.make("connect4")

    def dumps() -> Iterator[list[dict[str, Any]]]:
        search = Search(game, SearchConfig(num_simulations=200))
        rollout = LocalRollout(game, 9)
        for seed in range(4):
            search.run(rollout, seed=seed)
            yield search.dump()
            search.play(search.candidates()[0]["action"])

    assert list(dumps()) == list(dumps())


def test_searches_that_share_a_spare_arena_do_not_disturb_each_other() -> None:
    game = games.make("connect4")
    config = SearchConfig(num_simulations=60)
    alone = Search(game, config)
    first = Search(game, config)
    second = Search(game, config, spare=first)
    for _ in range(4):
        for search in (alone, first, second):
            search.run(HashEvaluator())
        assert first.dump() == second.dump() == alone.dump()
        for search in (alone, first, second):
            search.play(search.candidates()[0]["action"])
    with pytest.raises(ValueError, match="spare"):
        Search(game, config, node_capacity=500, spare=first)


def test_wrong_use_is_refused() -> None:
    game = games.make("connect4")
    search = Search(game, SearchConfig())
    with pytest.raises(ValueError, match="num_simulations must be >= 1, got 0"):
        search.run(LocalUniform(), 0)
    with pytest.raises(ValueError, match="state must be of"):
        search.set_state(games.make("tictactoe").initial_state())
    with pytest.raises(IllegalActionError):
        search.play(7)
    with pytest.raises(TypeError, match="SearchConfig"):
        Search(game, {"num_simulations": 5})


@pytest.mark.parametrize("column", ["policy_logits", "wdl_logits"])
def test_an_answer_that_is_not_finite_is_an_error(column: str) -> None:
    class Broken(HashEvaluator):
        def evaluate(self, runs: Sequence[Run]) -> None:
            super().evaluate(runs)
            getattr(runs[0], column)[0, 1] = np.nan

    search = Search(games.make("connect4"), SearchConfig())
    with pytest.raises(EvaluatorError, match="not finite"):
        search.run(Broken(), 5)


def test_a_game_in_plain_python_is_searched_like_any_other() -> None:
    game = games.make(str(DATA.parents[1] / "docs" / "examples" / "nim.py"))
    search = Search(game, SearchConfig(num_simulations=500))
    state = game.state_from_text("1 2 5 o")
    search.set_state(state)
    search.run(LocalRollout(game, 1))
    assert_invariants(search, 500)
    state.apply_action(search.candidates()[0]["action"])
    a, b, c = (int(heap) for heap in state.to_text().split()[:3])
    assert a ^ b ^ c == 0  # Bouton's theorem: the opponent is lost


def test_exp_of_softmax_is_exact_to_rounding_and_hides_nothing() -> None:
    from engine.testing import softmax_exp

    x = np.linspace(-86.9, 0, 100_003, dtype=np.float32)
    expected = np.exp(x.astype(np.float64))
    assert np.abs(softmax_exp(x) / expected - 1).max() < 3e-7
    strange = np.array([0.0, -1e30, -np.inf, np.nan, np.inf], np.float32)
    one, *tiny, nan, infinite = softmax_exp(strange)
    assert one == 1 and all(0 < value < 1e-37 for value in tiny)
    assert np.isnan(nan) and not np.isfinite(infinite)
