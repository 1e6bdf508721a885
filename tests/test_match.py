"""trainer.arena.match: whose win it is, paired openings, distinct games."""

import pytest
from perfect_tictactoe import value

import games
from engine.errors import ConfigError
from games.base import Game
from trainer.arena.match import MatchResult, play_match, summed_up, whole_pairs
from trainer.arena.openings import openings
from trainer.arena.players import Contestant, contestant, game_of
from trainer.arena.store import ArenaStore, Played
from trainer.verdict import match_table

GAME = games.make("tictactoe")
RANDOM = contestant("random", 1)


def played(number: int, first: float, actions: tuple[int, ...] = ()) -> Played:
    """Game `number`, which ended with `first` for the side that moved first."""
    return Played(number, 0, actions or (number,), first, "rules")


def result(*first: float) -> MatchResult:
    """The match whose games ended so for the side that moved first."""
    found = {number: played(number, value) for number, value in enumerate(first)}
    return summed_up("one", "two", found, 2.0, len(found))


def test_in_odd_games_the_seats_are_changed() -> None:
    won = result(1, -1, 1, -1)
    assert (won.wins, won.draws, won.losses, won.score) == (4, 0, 0, 1.0)
    assert won.first_wins == 2 and won.games == 4
    mixed = result(1, 1, 0, -1)
    assert (mixed.wins, mixed.draws, mixed.losses) == (2, 1, 1)
    assert mixed.score == 0.625 and mixed.first_wins == 2


def test_a_pair_that_its_opening_decides_says_nothing_and_is_certain_of_it() -> None:
    decided = result(*[1, 1] * 20)
    split = result(*[1, -1, -1, 1] * 10)
    assert decided.score == split.score == 0.5
    assert decided.elo.elo == pytest.approx(0) and split.elo.elo == pytest.approx(0)
    assert decided.elo.hi - decided.elo.lo < 0.5 * (split.elo.hi - split.elo.lo)


def test_equal_games_are_counted_once() -> None:
    found = {n: played(n, 0, (0, 4, n // 2)) for n in range(6)}
    match = summed_up("one", "two", found, 1.0, 6)
    assert (match.distinct_games, match.repeated_games) == (3, 0)
    assert "3 of the openings led to the same game" in str(match_table(match).caption)


def test_games_that_repeat_others_from_the_same_seats_are_told() -> None:
    found = {n: played(n, 0, (0, 4, 1 + n % 2)) for n in range(6)}
    match = summed_up("one", "two", found, 1.0, 6)
    assert (match.distinct_games, match.repeated_games) == (2, 4)
    assert "4 of the games repeat others" in str(match_table(match).caption)


def test_plain_values_of_a_result() -> None:
    data = result(1, 0).as_json()
    assert data["wins"] == 1 and data["draws"] == 1 and data["losses"] == 0
    assert data["score"] == 0.75 and data["games_per_s"] == 1.0
    assert data["elo_interval"][0] < data["elo"] < data["elo_interval"][1]


@pytest.mark.parametrize("serial", [True, False])
def test_search_beats_random_from_both_seats(serial) -> None:
    seen: dict[int, Played] = {}

    def on_game(done: int, found: Played) -> None:
        seen[found.number] = found
        assert done == len(seen)

    strong = contestant("mcts:100", 1)
    match = play_match(
        GAME, strong, RANDOM, 39, opening_plies=2, seed=4, serial=serial, on_game=on_game
    )
    assert match is not None
    assert match.games == 40 == len(seen)
    assert (match.player, match.opponent) == ("mcts:100", "random")
    assert match.wins + match.draws + match.losses == 40 and match.score > 0.85
    assert match.elo.lo > 0
    assert match.distinct_games >= 35
    book = openings(GAME, 20, 2, 4)
    for number in range(40):
        # Both games of a pair begin with the pair's opening.
        assert list(seen[number].actions[:2]) == book[number // 2]
        assert seen[number].opening == 2
    # From either seat it wins more than it loses.
    for seat in (0, 1):
        points = [2 * seen[n].points() - 1 for n in range(40) if n % 2 == seat]
        assert sum(points) > 8
    turned = play_match(GAME, RANDOM, strong, 40, opening_plies=2, seed=4, serial=serial)
    assert turned is not None and turned.score < 0.15


def test_the_same_seed_gives_the_same_games() -> None:
    def played(seed: int) -> list[bytes]:
        found: dict[int, bytes] = {}
        play_match(
            GAME, contestant("mcts:20", 1), RANDOM, 20, seed=seed,
            on_game=lambda _, game: found.update({game.number: game.actions}),
        )  # fmt: skip
        return [found[n] for n in sorted(found)]

    assert played(1) == played(1) != played(2)


def test_a_match_can_be_given_up() -> None:
    assert play_match(GAME, RANDOM, RANDOM, 40, serial=True, on_game=lambda n, _: n == 5) is None


def test_a_network_plays_a_baseline_and_itself(tiny_run) -> None:
    player = contestant(str(tiny_run), 8)
    assert player.kind == "network" and game_of(player).name == "tictactoe"
    match = play_match(game_of(player), player, RANDOM, 8, serial=True)
    assert match is not None and match.games == 8
    mirror = play_match(game_of(player), player, player, 8, serial=True)
    assert mirror is not None
    # The same weights from the same openings: every pair's two games are the same one.
    assert mirror.score == 0.5 and mirror.distinct_games <= 4


def test_players_of_different_games_do_not_meet(tiny_run) -> None:
    with pytest.raises(ConfigError, match="connect4"):
        game_of(contestant(str(tiny_run), 1), game="connect4")
    with pytest.raises(ConfigError, match="--game"):
        game_of(RANDOM, contestant("mcts:5", 1))


def test_a_match_that_the_clock_cuts_counts_whole_pairs_only() -> None:
    done = {n: played(n, 1.0) for n in (0, 1, 2, 5, 6, 7)}
    assert sorted(whole_pairs(done)) == [0, 1, 6, 7]
    assert play_match(GAME, RANDOM, RANDOM, 4, serial=True, until=0.0) is None


def test_an_interrupted_match_goes_on_where_it_stopped(tmp_path) -> None:
    strong = contestant("mcts:50", 1)
    whole: dict[int, Played] = {}
    play_match(GAME, strong, RANDOM, 20, seed=4, serial=True, keep=lambda g: put(whole, g))
    with ArenaStore(tmp_path / "arena.db") as store:
        match = store.open({"seed": 4})
        given_up = play_match(
            GAME, strong, RANDOM, 20, seed=4, serial=True,
            keep=lambda game: store.add(match, game), on_game=lambda done, _: done == 7,
        )  # fmt: skip
        assert given_up is None
    with ArenaStore(tmp_path / "arena.db") as store:
        assert store.open({"seed": 4}) == match and store.open({"seed": 5}) != match
        before = store.games(match)
        assert len(before) == 7
        again: dict[int, Played] = {}
        result = play_match(
            GAME, strong, RANDOM, 20, seed=4, serial=True, known=before,
            keep=lambda game: put(again, game),
        )  # fmt: skip
    assert result is not None and result.games == 20 and result.played == 13
    assert sorted(again) == sorted(set(range(20)) - set(before))
    assert before | again == whole


def put(found: dict[int, Played], game: Played) -> None:
    assert game.number not in found
    found[game.number] = game


def test_a_match_that_is_over_is_only_told() -> None:
    found = {n: played(n, 1.0) for n in range(4)}
    result = play_match(GAME, RANDOM, RANDOM, 4, known=found)
    assert result is not None and (result.wins, result.losses) == (2, 2)
    assert result.played == 0 and result.games_per_s is None


def games_between(
    one: Contestant, two: Contestant, num: int, game: Game = GAME
) -> dict[int, Played]:
    found: dict[int, Played] = {}
    play_match(
        game, one, two, num, opening_plies=1, seed=6, serial=True,
        on_game=lambda _, over: put(found, over),
    )  # fmt: skip
    return found


def test_games_end_where_a_search_has_proven_them(tiny_run) -> None:
    network = contestant(str(tiny_run), 100)
    found = games_between(network.ending_early(proven=True), network, 8)
    proven = [game for game in found.values() if game.ending == "proven"]
    assert proven
    for game in proven:
        # Only the first player's searches end games, and what they say is true.
        assert (len(game.actions) - 1) % 2 == game.number % 2
        state = GAME.initial_state()
        for action in game.actions:
            state.apply_action(action)
        sign = 1 if state.get_current_player() == 0 else -1
        assert game.result == sign * value(state.to_text())


def test_who_thinks_the_game_lost_gives_up() -> None:
    strong = contestant("mcts:200", 1)
    weak = contestant("mcts:20", 1).ending_early(resign=-0.3)
    found = games_between(strong, weak, 10, games.make("connect4"))
    given_up = [game for game in found.values() if game.ending == "resigned"]
    assert given_up and all(game.points() == 1.0 for game in given_up)
