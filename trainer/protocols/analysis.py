"""Positions to be analysed as JSON lines, in the format of KataGo's analysis engine, for all games.

A query is an object with ``id``, ``moves`` and whatever else its game needs; an answer carries the
same ``id``. Queries are answered in the order in which they come, those of higher ``priority``
before others.

References
----------
KataGo, docs/Analysis_Engine.md. Win rates and values are for the player to move. Nothing here
estimates scores or owners: ``scoreLead``, which clients read, is always 0, and whoever asks for
ownership is told that it has no effect.
"""

import heapq
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TextIO

import games
from games.base import Game, GameState
from games.errors import GameError, IllegalActionError
from trainer.protocols.incoming import Incoming
from trainer.protocols.points import Points
from trainer.thinking import Limits, Line, Thinker, Thought

__all__ = ["AnalysisServer", "QueryError"]

KNOWN = frozenset({
    "id", "moves", "initialStones", "initialPlayer", "initialPosition", "rules", "komi",
    "boardXSize", "boardYSize", "analyzeTurns", "maxVisits", "maxTime", "includePolicy",
    "reportDuringSearchEvery", "priority", "priorities", "avoidMoves", "allowMoves",
    "analysisPVLen", "action",
})  # fmt: skip
WITHOUT_EFFECT = frozenset({
    "includeOwnership", "includeOwnershipStdev", "includeMovesOwnership",
    "includeMovesOwnershipStdev", "includePVVisits", "overrideSettings", "whiteHandicapBonus",
})  # fmt: skip
EVERYTHING = "\0"
"""Stands for all queries among those that were ended."""
COLOURS = {"b": 0, "w": 1, "black": 0, "white": 1, "x": 0, "o": 1}


class QueryError(Exception):
    """A query cannot be answered; `field` is to blame."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(order=True)
class _Task:
    """One position of a query."""

    rank: tuple[float, int]
    query: dict[str, Any] = field(compare=False)
    turn: int = field(compare=False)
    line: list[int] = field(compare=False)
    game: Game = field(compare=False)
    first: GameState = field(compare=False)
    wanted: set[int] = field(compare=False)


class AnalysisServer:
    """Answers queries.

    Parameters
    ----------
    make
        Gives the thinker of a game.
    game
        What is played unless a query says more (komi).
    limits
        Of a position whose query names none.
    own_points
        Name moves as the game does, see `Points`.
    """

    def __init__(
        self, make: Callable[[Game], Thinker], game: Game, limits: Limits, *,
        own_points: bool = False,
    ) -> None:  # fmt: skip
        self._make, self._game, self._limits = make, game, limits
        self._own_points = own_points
        self._thinkers: dict[str, Thinker] = {}
        self._points: dict[str, Points] = {}
        self._tasks: list[_Task] = []
        self._number = 0
        self._ended = False
        self._ended_ids: set[str] = set()
        self._incoming: Incoming
        self._out: TextIO

    def run(self, source: TextIO, out: TextIO) -> None:
        """Answer the lines of `source` until their end."""
        self._incoming, self._out = Incoming(source), out
        while True:
            while not self._tasks and not self._ended:
                self._accept(self._incoming.take())
            self._drain()
            if not self._tasks:
                return
            self._answer(heapq.heappop(self._tasks))

    def _drain(self) -> None:
        while self._incoming.waiting and not self._ended:
            self._accept(self._incoming.take())

    def _say(self, answer: dict[str, Any]) -> None:
        print(json.dumps(answer, separators=(",", ":")), file=self._out, flush=True)

    # -- queries ----------------------------------------------------------------------------

    def _accept(self, line: str | None) -> None:
        """Take a line in; whatever is wrong with it is answered at once."""
        if line is None:
            self._ended = True
            return
        if not line.strip():
            return
        query: Any = None
        try:
            try:
                query = json.loads(line)
            except json.JSONDecodeError as error:
                raise QueryError("", f"a query is one JSON object a line: {error}") from None
            if not isinstance(query, dict) or not isinstance(query.get("id"), str):
                raise QueryError("id", "must be a string")
            if "action" in query:
                self._act(query)
            else:
                self._enqueue(query)
        except QueryError as error:
            answer: dict[str, Any] = {"error": str(error)}
            if isinstance(query, dict) and "id" in query:
                answer["id"] = query["id"]
            if error.field:
                answer["field"] = error.field
            self._say(answer)

    def _act(self, query: dict[str, Any]) -> None:
        action = query["action"]
        if action == "query_version":
            self._say({**query, "version": version("ringzero"), "git_hash": ""})
        elif action == "clear_cache":
            for thinker in self._thinkers.values():
                thinker.forget()
            self._say(query)
        elif action in ("terminate", "terminate_all"):
            which = query.get("terminateId")
            if action == "terminate" and not isinstance(which, str):
                raise QueryError("terminateId", "must be a string")
            turns = query.get("turnNumbers")
            for task in list(self._tasks):
                if (action == "terminate_all" or task.query["id"] == which) and (
                    turns is None or task.turn in turns
                ):
                    self._tasks.remove(task)
                    self._say({"id": task.query["id"], "isDuringSearch": False,
                               "noResults": True, "turnNumber": task.turn})  # fmt: skip
            heapq.heapify(self._tasks)
            self._ended_ids.add(str(which) if action == "terminate" else EVERYTHING)
            self._say(query)
        else:
            raise QueryError("action", f"must be query_version, clear_cache, terminate or "
                                       f"terminate_all, got {action!r}")  # fmt: skip

    def _enqueue(self, query: dict[str, Any]) -> None:
        game = self._game_of(query)
        points = self._points_of(game)
        first = game.initial_state()
        if "initialPosition" in query:
            try:
                first = game.state_from_text(str(query["initialPosition"]))
            except GameError as error:
                raise QueryError("initialPosition", str(error)) from None
        if query.get("initialStones"):
            raise QueryError("initialStones", "give initialPosition, the position as a text")
        begins = query.get("initialPlayer", "BW"[first.get_current_player()])
        if COLOURS.get(str(begins).lower()) != first.get_current_player():
            raise QueryError(
                "initialPlayer", f"must be {'BW'[first.get_current_player()]}, who is to move"
            )
        state, line = first.clone(), list[int]()
        states = [first]
        for number, move in enumerate(self._list(query, "moves")):
            colour, name = move if isinstance(move, list) and len(move) == 2 else (None, move)
            if state.is_terminal():
                raise QueryError("moves", f"move {number}: the game is over before it")
            if colour is not None and COLOURS.get(str(colour).lower()) != (
                state.get_current_player()
            ):
                raise QueryError("moves", f"move {number}: it is not {colour}'s turn")
            try:
                line.append(points.action(state, str(name)))
            except IllegalActionError:
                raise QueryError("moves", f"move {number}: {name!r} is illegal") from None
            state.apply_action(line[-1])
            states.append(state.clone())
        turns = query.get("analyzeTurns", [len(line)])
        priorities = query.get("priorities", [query.get("priority", 0)] * len(turns))
        if len(priorities) != len(turns):
            raise QueryError("priorities", "must be as many as analyzeTurns")
        for turn, priority in zip(turns, priorities, strict=True):
            if not isinstance(turn, int) or not 0 <= turn <= len(line):
                raise QueryError("analyzeTurns", f"must be numbers from 0 to {len(line)}")
            if states[turn].is_terminal():
                raise QueryError("analyzeTurns", f"the game is over at turn {turn}")
            wanted = self._wanted(query, states[turn], points)
            rank = (-float(priority), self._number)
            self._number += 1
            heapq.heappush(
                self._tasks, _Task(rank, query, turn, line[:turn], game, first, wanted)
            )
        for name in sorted(query.keys() - KNOWN):
            about = "has no effect here" if name in WITHOUT_EFFECT else "is not known"
            self._say({"id": query["id"], "field": name, "warning": f"this field {about}"})

    def _list(self, query: dict[str, Any], name: str) -> list[Any]:
        if not isinstance(query.get(name), list):
            raise QueryError(name, "must be a list")
        found: list[Any] = query[name]
        return found

    def _game_of(self, query: dict[str, Any]) -> Game:
        for name, size in (("boardXSize", self._game.columns), ("boardYSize", self._game.rows)):
            if query.get(name, size) != size:
                raise QueryError(name, f"must be {size}, the size that this network plays")
        komi = query.get("komi", self._game.options.get("komi"))
        if "komi" not in self._game.options or komi == self._game.options["komi"]:
            return self._game
        try:
            return games.make(self._game.name, **{**self._game.options, "komi": komi})
        except GameError as error:
            raise QueryError("komi", str(error)) from None

    def _points_of(self, game: Game) -> Points:
        return self._points.setdefault(repr(game), Points(game, own=self._own_points))

    def _wanted(self, query: dict[str, Any], state: GameState, points: Points) -> set[int]:
        """The only moves that count; none: all do."""
        legal = set(state.get_legal_actions())
        wanted = set(legal)
        for name in ("allowMoves", "avoidMoves"):
            for rule in query.get(name, []):
                if COLOURS.get(str(rule.get("player", "b")).lower()) != state.get_current_player():
                    continue
                found = set()
                for move in rule.get("moves", []):
                    try:
                        found.add(points.action(state, str(move)))
                    except IllegalActionError:
                        continue
                wanted = wanted & found if name == "allowMoves" else wanted - found
        if not wanted:
            raise QueryError("avoidMoves", "leaves no move")
        return set() if wanted == legal else wanted

    # -- answers ----------------------------------------------------------------------------

    def _answer(self, task: _Task) -> None:
        query = task.query
        key = repr(task.game)
        if key not in self._thinkers:
            self._thinkers[key] = self._make(task.game)
        thinker = self._thinkers[key]
        # Queries do not know of each other, and neither shall their trees.
        thinker.set(task.line, task.first)
        thinker.forget()
        if task.wanted:
            thinker.restrict(task.wanted)
        limits = self._limits
        if "maxVisits" in query or "maxTime" in query:
            limits = Limits(
                simulations=int(query.get("maxVisits", 0)),
                seconds=float(query.get("maxTime", 0.0)),
                decided=False,
            )
        every_s = query.get("reportDuringSearchEvery")
        self._ended_ids.clear()
        thought = thinker.think(
            limits,
            stopped=lambda: self._is_ended(task),
            on_thought=(
                None if every_s is None else lambda now: self._tell(task, thinker, now, True)
            ),
            every_s=float(every_s or 1.0),
            variation=int(query.get("analysisPVLen", 15)),
        )
        self._tell(task, thinker, thought, False)

    def _is_ended(self, task: _Task) -> bool:
        self._drain()
        return bool({task.query["id"], EVERYTHING} & self._ended_ids)

    def _tell(self, task: _Task, thinker: Thinker, thought: Thought, during: bool) -> None:
        state, points = thinker.state, self._points_of(task.game)
        answer: dict[str, Any] = {
            "id": task.query["id"],
            "isDuringSearch": during,
            "turnNumber": task.turn,
            "moveInfos": [
                self._move(state, line, order, points)
                for order, line in enumerate(thought.lines) if line.visits or not order
            ],
            "rootInfo": {
                "currentPlayer": "BW"[state.get_current_player()],
                "winrate": (1 + thought.value) / 2,
                "utility": thought.value,
                "visits": thought.visits,
                "scoreLead": 0.0,
                "simulationsPerSecond": round(thought.rate, 1),
            },
        }  # fmt: skip
        if task.query.get("includePolicy"):
            # -1: illegal. Boards first, the rest of the actions behind it.
            policy = [-1.0] * task.game.num_actions
            for line in thought.lines:
                policy[line.action] = line.prior
            answer["policy"] = policy
        self._say(answer)

    def _move(self, state: GameState, line: Line, order: int, points: Points) -> dict[str, Any]:
        at, names = state.clone(), []
        for action in line.variation or (line.action,):
            names.append(points.name(at, action))
            at.apply_action(action)
        found: dict[str, Any] = {
            "move": names[0],
            "visits": line.visits,
            "winrate": line.winrate,
            "utility": line.value,
            "scoreLead": 0.0,
            "prior": line.prior,
            "lcb": line.winrate
            - (line.winrate * (1 - line.winrate) / max(1, line.visits)) ** 0.5,
            "order": order,
            "pv": names,
        }
        if line.proven is not None:
            found |= {"proven": line.proven, "distance": line.distance}
        return found
