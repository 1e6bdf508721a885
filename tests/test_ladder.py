"""Ratings of many players: planted ones are found, and intervals hold what they promise."""

import itertools
import math

import numpy as np
import pytest

from trainer.arena.ladder import ELO, Ladder, Result, rate
from trainer.arena.ratings import from_pairs
from trainer.arena.standings import ladder_chart, names_among, player_name
from trainer.arena.store import StoredMatch

PLANTED = {"a": 150.0, "b": 60.0, "c": 0.0, "d": -30.0, "e": -180.0}
FIRST_MOVE = 20.0


def tournament(
    rng: np.random.Generator, pairs: int, *, draws: float = 0.3, decided: float = 0.2
) -> list[Result]:
    """Everybody against everybody. Some openings decide both games for a side; the other games
    make up for it, so that the mean scores are those of the planted ratings."""
    found = []
    for number, (one, other) in enumerate(itertools.combinations(PLANTED, 2)):
        for pair in range(pairs):
            decides, side = rng.random() < decided, float(rng.random() < 0.5)
            for first, second in ((one, other), (other, one)):
                gap = PLANTED[first] - PLANTED[second] + FIRST_MOVE
                mean = (1 / (1 + 10 ** (-gap / 400)) - decided / 2) / (1 - decided)
                draw = 2 * draws * mean * (1 - mean)
                odds = [mean - draw / 2, draw, 1 - mean - draw / 2]
                score = side if decides else float(rng.choice([1.0, 0.5, 0.0], p=odds))
                found.append(Result(first, second, score, (number, pair)))
    return found


def fair(one: str, other: str, wins: int, losses: int) -> list[Result]:
    """Decisive games, each result from both seats, so that the first move is worth nothing."""
    found = []
    for pair in range(wins + losses):
        won = float(pair < wins)
        found += [Result(one, other, won, pair), Result(other, one, 1 - won, pair)]
    return found


def test_of_two_players_the_difference_is_that_of_their_score() -> None:
    ladder = rate(fair("x", "y", 30, 10), prior=1e-9)
    gap, lo, hi = ladder.difference("x", "y")
    assert gap == pytest.approx(400 * math.log10(3), abs=1e-4)
    assert lo < gap < hi
    assert ladder.names == ("x", "y")
    assert ladder.first_advantage[0] == pytest.approx(0, abs=1e-6)


def test_the_interval_of_two_players_is_that_of_a_match() -> None:
    # 25 pairs lost, 50 split, 125 won: what `arena` prints for them.
    match = from_pairs([25, 0, 50, 0, 125])
    results = []
    for pair in range(200):
        # Of those split, whoever moves first wins as often as loses.
        both = float(pair % 2)
        x, y = (0.0, 1.0) if pair < 25 else (both, both) if pair < 75 else (1.0, 0.0)
        results += [Result("x", "y", x, pair), Result("y", "x", y, pair)]
    gap, lo, hi = rate(results).difference("x", "y")
    assert gap == pytest.approx(match.elo, abs=2)
    assert lo == pytest.approx(match.lo, abs=6)
    assert hi == pytest.approx(match.hi, abs=6)


def test_bradley_terry_of_another_library_agrees() -> None:
    choix = pytest.importorskip("choix", reason="choix is not installed")
    rng = np.random.default_rng(3)
    names = sorted(PLANTED)
    results, beaten = [], []
    for i, j in itertools.combinations(range(5), 2):
        gap = PLANTED[names[i]] - PLANTED[names[j]]
        wins = int(rng.binomial(40, 1 / (1 + 10 ** (-gap / 400))))
        results += fair(names[i], names[j], wins, 40 - wins)
        beaten += [(i, j)] * wins + [(j, i)] * (40 - wins)
    ladder = rate(results, prior=1e-9)
    expected = ELO * choix.ilsr_pairwise(5, beaten)
    found = [ladder.elo[ladder.names.index(name)] for name in names]
    assert found == pytest.approx(expected - expected.mean(), abs=0.01)


def test_planted_ratings_lie_in_their_intervals_as_often_as_stated() -> None:
    rng = np.random.default_rng(1)
    inside = np.zeros(3)
    total = np.zeros(3)
    for _ in range(300):
        ladder = rate(tournament(rng, pairs=40))
        mean = sum(PLANTED.values()) / len(PLANTED)
        for name in PLANTED:
            at = ladder.names.index(name)
            inside[0] += abs(ladder.elo[at] - (PLANTED[name] - mean)) <= ladder.half_width(name)
            total[0] += 1
        for one, other in itertools.combinations(PLANTED, 2):
            _, lo, hi = ladder.difference(one, other)
            inside[1] += lo <= PLANTED[one] - PLANTED[other] <= hi
            total[1] += 1
        advantage, deviation = ladder.first_advantage
        inside[2] += abs(advantage - FIRST_MOVE) <= 1.96 * deviation
        total[2] += 1
    assert inside[:2] / total[:2] == pytest.approx([0.95, 0.95], abs=0.02)
    assert inside[2] / total[2] == pytest.approx(0.95, abs=0.03)  # a fifth as many tries


def test_pairs_make_intervals_narrower_where_openings_decide() -> None:
    rng = np.random.default_rng(5)
    paired = tournament(rng, pairs=60, decided=0.2, draws=0.0)
    alone = [result._replace(pair=i) for i, result in enumerate(paired)]
    assert rate(paired).half_width("c") < 0.95 * rate(alone).half_width("c")


def test_who_has_won_everything_is_rated_and_the_interval_is_wide() -> None:
    ladder = rate(fair("x", "y", 10, 0))
    gap, lo, hi = ladder.difference("x", "y")
    assert 200 < gap < 1200 and 0 < lo < gap < hi
    assert ladder.superiority("x", "y") > 0.99
    assert ladder.superiority("x", "y") + ladder.superiority("y", "x") == pytest.approx(1)


def test_an_anchor_has_its_rating_and_no_doubt() -> None:
    results = tournament(np.random.default_rng(2), pairs=20)
    free, anchored = rate(results), rate(results, anchor=("c", 1000.0))
    assert anchored.elo[anchored.names.index("c")] == pytest.approx(1000.0)
    assert anchored.half_width("c") == pytest.approx(0.0, abs=1e-6)
    for one, other in itertools.combinations(PLANTED, 2):
        assert anchored.difference(one, other) == pytest.approx(free.difference(one, other))


def test_players_that_never_met_through_anybody_are_islands() -> None:
    ladder = rate(fair("a", "b", 3, 1) + fair("b", "c", 1, 1) + fair("x", "y", 2, 2))
    assert ladder.islands == (("a", "b", "c"), ("x", "y"))


def test_json_holds_every_player_and_the_covariance() -> None:
    ladder: Ladder = rate(tournament(np.random.default_rng(2), pairs=5))
    data = ladder.as_json()
    assert [row["name"] for row in data["players"]] == list(ladder.names)
    assert np.array(data["covariance"]).shape == (5, 5)
    assert sum(row["games"] for row in data["players"]) == 2 * 100


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([], "at least one game"),
        ([Result("a", "a", 1.0, 0)], "two players"),
        ([Result("a", "b", 2.0, 0)], "score in"),
    ],
)
def test_what_is_no_result_is_refused(results: list[Result], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rate(results)


def test_a_chart_is_as_wide_as_its_bars_whatever_the_names() -> None:
    engine = "uci:/usr/games/stockfish; UCI_LimitStrength=true; UCI_Elo=1320; go nodes 1000"
    lines = sorted(line.plain for line in ladder_chart(rate(fair(engine, "mcts:20", 3, 3))))
    assert lines[1].startswith("uci:/usr/games/stock") and "go nodes 1000" in lines[1]
    assert all(len(line) < 100 and "+0 ±" in line for line in lines)


def described(weights: str, **more: object) -> dict[str, object]:
    search = {"num_simulations": 100, "endgame_nodes": more.pop("endgame", 0)}
    if "leaf_endgame" in more:
        search["leaf_endgame_nodes"] = more.pop("leaf_endgame")
    return {"name": "run", "kind": "network", "search": search, "weights": weights, **more}


def test_players_are_named_by_what_makes_them_stronger() -> None:
    assert player_name(described("ab")) == "run @100"
    assert player_name(described("ab", endgame=9, symmetric=True)) == (
        "run @100 exact ends symmetric"
    )
    assert player_name(described("ab", seconds=0.5)) == "run @0.5s"
    assert player_name(described("ab", leaf_endgame=0)) == "run @100 leaves 0"


def test_checkpoints_of_one_name_are_told_apart_by_their_weights() -> None:
    early, late, other = described("12345678"), described("abcdefgh"), described("99", seconds=1)
    name = names_among(
        StoredMatch(number, 0.0, {"players": [one, other]}, 2)
        for number, one in enumerate((early, late))
    )
    assert [name(player) for player in (early, late, other)] == [
        "run @100 123456", "run @100 abcdef", "run @1s",
    ]  # fmt: skip
