"""JSON lines in and out, as KataGo's analysis engine speaks them."""

import json
from dataclasses import replace
from typing import Any

import pytest
from speaking import Conversation

import games
from games import Game
from trainer.arena.players import contestant
from trainer.protocols.analysis import AnalysisServer
from trainer.thinking import Limits, Thinker

GO = games.make("go", size=5, komi=7.0)
CONNECT4 = games.make("connect4")


class Analysis(Conversation):
    def query(self, **query: Any) -> None:
        self.say(json.dumps(query))

    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.hear())
        return found


def talk(game: Game, **options: bool) -> Analysis:
    def make(played: Game) -> Thinker:
        who = contestant("mcts:50", 50)
        who = replace(who, search=replace(who.search, solver=True))
        return Thinker(who, played, memory_mb=20)

    return Analysis(AnalysisServer(make, game, Limits(simulations=30), **options).run)


def test_every_turn_that_is_asked_for_is_analysed() -> None:
    with talk(GO) as analysis:
        analysis.query(
            id="one", moves=[["B", "C3"], ["W", "B2"]], analyzeTurns=[0, 1, 2], maxVisits=25,
            rules="tromp-taylor", komi=7, boardXSize=5, boardYSize=5, includePolicy=True,
        )  # fmt: skip
        for turn in range(3):
            answer = analysis.answer()
            assert answer["id"] == "one" and answer["turnNumber"] == turn
            assert answer["isDuringSearch"] is False
            root, best = answer["rootInfo"], answer["moveInfos"][0]
            assert root["visits"] >= 25 and root["currentPlayer"] == "BWB"[turn]
            assert sum(move["visits"] for move in answer["moveInfos"]) == root["visits"]
            assert best["order"] == 0 and best["pv"][0] == best["move"]
            assert 0 <= best["winrate"] <= 1
            assert len(answer["policy"]) == 26
            assert sum(p for p in answer["policy"] if p >= 0) == pytest.approx(1, abs=1e-3)
            assert (answer["policy"][12] == -1) == (turn > 0)


def test_queries_of_higher_priority_go_first() -> None:
    with talk(CONNECT4) as analysis:
        analysis.query(id="long", moves=[], maxVisits=3000)
        for number in range(4):
            analysis.query(id=str(number), moves=[], maxVisits=5, priority=number)
        order = [analysis.answer()["id"] for _ in range(5)]
        assert [name for name in order if name != "long"] == ["3", "2", "1", "0"]


def test_reports_come_while_a_search_goes_on_and_it_can_be_ended() -> None:
    with talk(CONNECT4) as analysis:
        analysis.query(id="a", moves=["D1"], maxVisits=10**9, reportDuringSearchEvery=0.02)
        last = {"a": analysis.answer()}
        assert last["a"]["isDuringSearch"] is True
        analysis.query(id="stop", action="terminate", terminateId="a")
        # The order of the two is open: "a" may end before the request to end it is answered.
        while "stop" not in last or last["a"]["isDuringSearch"]:
            answer = analysis.answer()
            last[answer["id"]] = answer
        assert last.keys() == {"a", "stop"} and last["a"]["rootInfo"]["visits"] > 0


def test_moves_can_be_allowed_or_avoided() -> None:
    with talk(CONNECT4) as analysis:
        analysis.query(id="a", moves=[], allowMoves=[{"player": "B", "moves": ["A1", "B1"]}])
        assert {move["move"] for move in analysis.answer()["moveInfos"]} == {"A1", "B1"}
        analysis.query(
            id="b", moves=["D1"], avoidMoves=[{"player": "W", "moves": ["D2"], "untilDepth": 1}]
        )
        assert "D2" not in {move["move"] for move in analysis.answer()["moveInfos"]}


def test_a_proven_move_says_so() -> None:
    with talk(CONNECT4) as analysis:
        analysis.query(id="a", moves="d1 a1 d2 b1 d3 c1".upper().split(), maxVisits=100)
        best = analysis.answer()["moveInfos"][0]
        assert best["move"] == "D4" and best["proven"] == 1 and best["distance"] == 1


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("nonsense", None, "one JSON object a line"),
        ('{"moves": []}', "id", "must be a string"),
        ('{"id": "x"}', "moves", "must be a list"),
        ('{"id": "x", "moves": ["Z9"]}', "moves", "move 0: 'Z9' is illegal"),
        ('{"id": "x", "moves": [["W", "D1"]]}', "moves", "not W's turn"),
        ('{"id": "x", "moves": [], "boardXSize": 19}', "boardXSize", "must be 7"),
        ('{"id": "x", "moves": [], "initialPlayer": "W"}', "initialPlayer", "must be B"),
        ('{"id": "x", "moves": [], "analyzeTurns": [3]}', "analyzeTurns", "from 0 to 0"),
        ('{"id": "x", "action": "dance"}', "action", "got 'dance'"),
    ],
)
def test_what_cannot_be_answered_is_blamed_on_its_field(query, field, message) -> None:
    with talk(CONNECT4) as analysis:
        analysis.say(query)
        answer = analysis.answer()
        assert message in answer["error"] and answer.get("field") == field
        analysis.query(id="next", moves=[])
        assert analysis.answer()["id"] == "next"


def test_unknown_fields_are_warned_about() -> None:
    with talk(CONNECT4) as analysis:
        analysis.query(id="a", moves=[], colour="red")
        assert analysis.answer() == {
            "id": "a", "field": "colour", "warning": "this field is not known"
        }  # fmt: skip
        assert analysis.answer()["rootInfo"]


def test_the_version_is_told_and_the_cache_cleared() -> None:
    with talk(CONNECT4) as analysis:
        analysis.query(id="v", action="query_version")
        assert analysis.answer()["version"]
        analysis.query(id="c", action="clear_cache")
        assert analysis.answer() == {"id": "c", "action": "clear_cache"}
