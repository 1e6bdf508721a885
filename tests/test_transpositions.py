"""The search on a graph: against a short reference, what it shares, proves, keeps and costs."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playing import serial_records
from reference_graph import Node, ReferenceGraph
from reference_search import HashEvaluator, hash_evaluation, uniform_evaluation

import games
from engine.config import SearchConfig
from engine.descent import arena_rows
from engine.evaluator import Run
from engine.local import LocalRollout, LocalUniform
from engine.player import PlayerSpec
from engine.search import Search
from engine.tree import Tree
from games import Game, GameState

POSITIONS = {
    "connect4": [[], [3, 3, 3, 3, 3, 2], [2, 4, 3, 3, 1, 0, 0, 0, 0, 6]],
    "tictactoe": [[], [4], [0, 1, 4, 8, 6]],
}
TESTS = Path(__file__).resolve().parent
Dump = list[dict[str, Any]]


def position(game: Game, actions: Sequence[int]) -> GameState:
    state = game.initial_state()
    for action in actions:
        state.apply_action(action)
    return state


def config_of(**options: Any) -> SearchConfig:
    return SearchConfig(transpositions=True, **options)


def pair(kind: str, state: GameState, config: SearchConfig) -> tuple[Search, Any, ReferenceGraph]:
    """A search of `state`, its evaluator, and the reference."""
    search = Search(state.game, config)
    search.set_state(state)
    if kind == "uniform":
        return search, LocalUniform(), ReferenceGraph(state, config, uniform_evaluation)
    return search, HashEvaluator(), ReferenceGraph(state, config, hash_evaluation)


def assert_same_graph(search: Search, reference: ReferenceGraph) -> None:
    """The same nodes, and every edge of them has the same visits, value and child."""
    nodes = search.dump()
    assert reference.root is not None
    row_of: dict[int, int] = {id(reference.root): 0}
    pairs: list[tuple[int, Node]] = [(0, reference.root)]
    for row, node in pairs:
        assert nodes[row]["player"] == node.player
        assert (nodes[row]["status"] == 2) == node.is_exact
        assert nodes[row]["value"] == pytest.approx(float(node.value), abs=1e-6)
        for edge in nodes[row]["edges"]:
            expected = node.edges.get(edge["action"])
            assert edge["visits"] == (expected.visits if expected else 0)
            if expected is None:
                assert edge["child"] == -1
                continue
            assert edge["value_sum"] == pytest.approx(float(expected.value_sum), abs=1e-3)
            child = node.children[edge["action"]]
            if id(child) not in row_of:
                row_of[id(child)] = edge["child"]
                pairs.append((edge["child"], child))
            assert edge["child"] == row_of[id(child)]
    assert len(set(row_of.values())) == len(row_of) == len(nodes) == len(reference.nodes)


def positions_of(search: Search, state: GameState) -> list[set[tuple[str, int, int]]]:
    """(text, player, ply) of every node, as all the paths to it tell."""
    nodes = search.dump()
    found: list[set[tuple[str, int, int]]] = [set() for _ in nodes]
    stack = [(0, 0, state)]
    seen = set()
    while stack:
        row, ply, at = stack.pop()
        found[row].add((at.to_text(), at.get_current_player(), ply))
        for edge in nodes[row]["edges"]:
            if edge["child"] >= 0 and (row, edge["action"]) not in seen:
                seen.add((row, edge["action"]))
                after = at.clone()
                after.apply_action(edge["action"])
                stack.append((edge["child"], ply + 1, after))
    return found


# -- the reference --------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [False, True])
@pytest.mark.parametrize("kind", ["uniform", "hash"])
@pytest.mark.parametrize("name", POSITIONS)
def test_same_graph_as_the_reference(name: str, kind: str, solver: bool) -> None:
    for actions in POSITIONS[name]:
        for num_simulations in (1, 40, 400):
            config = config_of(num_simulations=num_simulations, solver=solver)
            state = position(games.make(name), actions)
            search, evaluator, reference = pair(kind, state, config)
            search.run(evaluator)
            reference.run(num_simulations)
            assert_same_graph(search, reference)


@pytest.mark.parametrize("solver", [False, True])
@pytest.mark.parametrize("leaves", [1, 4])
@pytest.mark.parametrize("name", POSITIONS)
def test_same_graph_as_the_reference_with_a_kept_subgraph(
    name: str, leaves: int, solver: bool
) -> None:
    config = config_of(num_simulations=200, leaves_in_flight=leaves, solver=solver)
    search, evaluator, reference = pair("hash", games.make(name).initial_state(), config)
    for ply in range(5):
        search.run(evaluator)
        reference.run(200)
        assert_same_graph(search, reference)
        # Not always the best one, so that subgraphs of all sizes are kept.
        candidates = search.candidates()
        action = candidates[min(ply % 3, len(candidates) - 1)]["action"]
        search.play(action)
        reference.advance(action)
        assert (search.num_nodes == 0) == (reference.root is None)


@pytest.mark.parametrize("leaves", [2, 16])
@pytest.mark.parametrize("name", POSITIONS)
def test_same_graph_as_the_reference_with_leaves_in_flight(name: str, leaves: int) -> None:
    for actions in POSITIONS[name]:
        for virtual_loss in (0.0, 1.0):
            config = config_of(leaves_in_flight=leaves, virtual_loss=virtual_loss, solver=True)
            state = position(games.make(name), actions)
            search, evaluator, reference = pair("hash", state, config)
            search.run(evaluator, 250)
            reference.run(250)
            assert_same_graph(search, reference)


def test_same_graph_as_the_reference_where_players_do_not_alternate() -> None:
    game = games.make(str(TESTS / "double_move.py"))
    search, evaluator, reference = pair("hash", game.initial_state(), config_of())
    search.run(evaluator, 150)
    reference.run(150)
    assert_same_graph(search, reference)


# -- what is shared -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["connect4", "tictactoe", "othello"])
def test_every_node_is_another_position_or_ply(name: str) -> None:
    game = games.make(name)
    search = Search(game, config_of(num_simulations=600))
    state = game.initial_state()
    for ply in range(3):
        search.run(LocalRollout(game, 3))
        found = positions_of(search, state)
        assert all(len(positions) == 1 for positions in found)
        assert len(set().union(*found)) == search.num_nodes
        action = search.candidates()[ply % 2]["action"]
        search.play(action)
        state.apply_action(action)


def test_a_position_is_evaluated_once() -> None:
    class Counting(HashEvaluator):
        num = 0

        def evaluate(self, runs: Sequence[Run]) -> None:
            self.num += sum(len(run.observations) for run in runs)
            super().evaluate(runs)

    evaluator = Counting()
    search = Search(games.make("tictactoe"), config_of(num_simulations=3000))
    search.run(evaluator)
    assert evaluator.num == sum(bool(node["edges"]) for node in search.dump()) < 2000
    assert search.num_simulations == 3000


def test_a_game_without_transpositions_is_searched_as_a_tree() -> None:
    game = games.make("go", size=5)  # whose hash covers all moves
    dumps = []
    for transpositions in (False, True):
        search = Search(game, SearchConfig(transpositions=transpositions))
        search.run(LocalRollout(game, 2), 350)
        dumps.append(search.dump())
    for node, expected in zip(*dumps, strict=True):
        for edge, wanted in zip(node["edges"], expected["edges"], strict=True):
            assert (edge["visits"], edge["child"]) == (wanted["visits"], wanted["child"])
            assert edge["value_sum"] == pytest.approx(wanted["value_sum"], abs=1e-3)


def test_the_root_is_worth_its_own_value_and_its_edges() -> None:
    search = Search(games.make("tictactoe"), config_of(num_simulations=3000))
    for num_simulations in (50, 500, 3000):
        search.run(HashEvaluator(), num_simulations)
        root = search.dump()[0]
        total = root["value"] + sum(edge["value_sum"] for edge in root["edges"])
        assert search.value == pytest.approx(total / (1 + num_simulations), abs=1e-4)


# -- the solver -----------------------------------------------------------------------------


@cache
def exact(board: str) -> int:
    """Result of a tic-tac-toe position with best play, for the player to move."""
    state = games.make("tictactoe").state_from_text(board)
    if state.is_terminal():
        return int(state.returns()[state.get_current_player()])
    results = []
    for action in state.get_legal_actions():
        after = state.clone()
        after.apply_action(action)
        results.append(-exact(after.to_text()))
    return max(results)


@pytest.mark.parametrize("leaves", [1, 8])
def test_every_proof_in_the_graph_is_true(leaves: int) -> None:
    game = games.make("tictactoe")
    config = config_of(num_simulations=2000, solver=True, c_init=3.0, leaves_in_flight=leaves)
    num_proven = 0
    for first in range(9):
        state = position(game, [first])
        search = Search(game, config)
        search.set_state(state)
        search.run(HashEvaluator())
        nodes = search.dump()
        for node, positions in zip(nodes, positions_of(search, state), strict=True):
            ((board, _, _),) = positions
            if node["status"] == 2:
                num_proven += 1
                assert node["value"] == exact(board)
        for candidate in search.candidates():
            if candidate["proven"] is not None:
                after = position(game, [first, candidate["action"]])
                assert candidate["proven"] == -exact(after.to_text())
    assert num_proven > 1000


def test_a_graph_proves_a_draw_with_half_the_simulations_and_nodes_of_a_tree() -> None:
    state = position(games.make("tictactoe"), [0])
    needed = []
    for transpositions in (False, True):
        config = SearchConfig(transpositions=transpositions, solver=True, num_simulations=40_000)
        search = Search(state.game, config)
        search.set_state(state)
        search.run(LocalUniform())
        assert search.value == 0.0
        assert [c["action"] for c in search.candidates() if c["proven"] == 0] == [4]
        needed.append((search.num_simulations, search.num_nodes))
    assert all(graph < 0.5 * tree for tree, graph in zip(*needed, strict=True))


# -- the arena ------------------------------------------------------------------------------


def subgraph(nodes: Dump, root: int) -> Dump:
    """The nodes below `root` in breadth-first order, once each, renumbered."""
    order = [root]
    for old in order:
        for edge in nodes[old]["edges"]:
            if edge["child"] >= 0 and edge["child"] not in order:
                order.append(edge["child"])
    new = {old: i for i, old in enumerate(order)} | {-1: -1}
    return [
        nodes[old]
        | {"edges": [edge | {"child": new[edge["child"]]} for edge in nodes[old]["edges"]]}
        for old in order
    ]


def test_a_move_keeps_the_childs_subgraph_field_by_field() -> None:
    game = games.make("connect4")
    search = Search(game, config_of(num_simulations=800))
    for _ in range(6):
        search.run(LocalRollout(game, 1))
        action = search.candidates()[1]["action"]
        before = search.dump()
        child = next(e["child"] for e in before[0]["edges"] if e["action"] == action)
        search.play(action)
        assert search.dump() == subgraph(before, child)


def test_a_full_arena_ends_the_search_early() -> None:
    game = games.make("connect4")
    search = Search(game, config_of(leaves_in_flight=4), node_capacity=60)
    for _ in range(4):
        search.run(HashEvaluator(), 1000)
        assert search.num_nodes <= 60
        positions = positions_of(search, game.initial_state())
        assert len(positions) == search.num_nodes
        search.set_state(game.initial_state())
    assert search.num_full_stops == 4


def test_noise_at_the_root_leaves_other_priors_alone() -> None:
    game = games.make("connect4")
    search = Search(game, config_of(num_simulations=300))
    search.run(LocalUniform(), seed=5)
    root, *others = search.dump()
    assert len({edge["prior"] for edge in root["edges"]}) == 7
    for node in others:
        assert len({edge["prior"] for edge in node["edges"]}) <= 1


def test_the_table_is_part_of_the_memory_and_absent_without_the_switch() -> None:
    assert Tree(100, 700).num_bytes == 100 * 28 + 700 * 21
    assert Tree(100, 700, True).num_bytes == 100 * (28 + 16) + 700 * 21
    game = games.make("connect4")
    search = Search(game, config_of(memory_mb=4))
    assert 3.9e6 < 2 * search.num_bytes <= 4e6
    assert arena_rows(game, config_of()) == arena_rows(game, SearchConfig())


def test_a_spare_arena_without_a_table_is_refused() -> None:
    game = games.make("connect4")
    with pytest.raises(ValueError, match="same game, capacity and transpositions"):
        Search(game, config_of(), spare=Search(game, SearchConfig()))


def test_self_play_on_graphs_is_reproducible_and_legal() -> None:
    game = games.make("connect4")
    config = config_of(num_simulations=60, solver=True)
    spec = PlayerSpec(kind="uniform", search=config)
    first, second = (serial_records(game, [spec], num_games=6) for _ in range(2))
    for number, record in first.items():
        state = position(game, record.actions.tolist())
        assert state.is_terminal()
        assert record.actions.tolist() == second[number].actions.tolist()
        assert (record.policy_weights > 0).all()
