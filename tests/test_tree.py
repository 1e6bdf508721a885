"""The arena: its sizes, the order of a node's edges, and what a kept subtree keeps."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import games
from engine.config import SearchConfig
from engine.local import LocalRollout
from engine.search import Search
from engine.testing import best_first
from engine.tree import Tree


@given(
    st.lists(st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0]), min_size=1, max_size=20),
    st.data(),
)
def test_best_first_puts_the_highest_unvisited_prior_in_front(
    priors: list[float], data: st.DataObject
) -> None:
    actions = data.draw(st.permutations(range(len(priors))))
    num_visited = data.draw(st.integers(0, len(priors) - 1))
    ordered = best_first(priors, list(actions), num_visited)
    assert ordered[:num_visited] == list(actions[:num_visited])
    assert sorted(ordered) == sorted(actions)
    by_action = dict(zip(actions, priors, strict=True))
    assert ordered[num_visited] == min(ordered[num_visited:], key=lambda a: (-by_action[a], a))


def test_a_tree_says_how_many_bytes_it_takes() -> None:
    tree = Tree(100, 700)
    assert (tree.num_nodes, tree.node_capacity) == (0, 100)
    assert tree.num_bytes == 100 * 28 + 700 * 21


@pytest.mark.parametrize(("nodes", "edges"), [(0, 1), (1, 0), (-1, 5)])
def test_capacities_below_one_are_refused(nodes: int, edges: int) -> None:
    with pytest.raises(ValueError, match=f"must be >= 1, got {nodes} and {edges}"):
        Tree(nodes, edges)


def subtree(nodes: list[dict[str, Any]], root: int) -> list[dict[str, Any]]:
    """The nodes below `root` in breadth-first order, renumbered."""
    order = [root]
    for old in order:
        order += [edge["child"] for edge in nodes[old]["edges"] if edge["child"] >= 0]
    new = {old: i for i, old in enumerate(order)} | {-1: -1}
    return [
        nodes[old]
        | {"edges": [edge | {"child": new[edge["child"]]} for edge in nodes[old]["edges"]]}
        for old in order
    ]


def test_a_move_keeps_the_childs_subtree_field_by_field() -> None:
    game = games.make("connect4")
    search = Search(game, SearchConfig(num_simulations=600))
    evaluator = LocalRollout(game, 1)
    for _ in range(6):
        search.run(evaluator)
        action = search.candidates()[1]["action"]
        before = search.dump()
        child = next(e["child"] for e in before[0]["edges"] if e["action"] == action)
        search.play(action)
        assert search.dump() == subtree(before, child)
        assert search.num_nodes == len(search.dump())


def test_an_unvisited_or_finished_child_leaves_an_empty_tree() -> None:
    game = games.make("tictactoe")
    search = Search(game, SearchConfig(num_simulations=4))
    search.run(LocalRollout(game, 1))
    unvisited = next(c["action"] for c in search.candidates() if c["visits"] == 0)
    search.play(unvisited)
    assert search.dump() == []
    state = game.initial_state()
    for action in (0, 3, 1, 4):
        state.apply_action(action)
    search.set_state(state)
    search.run(LocalRollout(game, 1), 50)
    search.play(2)
    assert search.dump() == []


def test_without_reuse_a_move_leaves_an_empty_tree() -> None:
    game = games.make("connect4")
    search = Search(game, SearchConfig(num_simulations=50, reuse_tree=False))
    search.run(LocalRollout(game, 1))
    search.play(3)
    assert search.dump() == []
