"""Bugs planted in small games are found, each with few moves that show it."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from double_move import DoubleMove, DoubleMoveState
from plain_tictactoe import Plain, PlainGame

from games import BoardGame, Game, GameError, GameState, IllegalActionError, twins
from games.contract import PROMISES, ContractError, check_game, checks, doctor
from games.tictactoe import TicTacToe
from trainer.cli import main

MAX_MOVES = 12


# -- bugs of tic-tac-toe: the position ------------------------------------------------------------


class SharedClone(Plain):
    def clone(self) -> "SharedClone":
        twin = type(self)(self.game)
        twin.board = self.board
        return twin


class CloneForgetsTheLastMove(Plain):
    last = -1

    def apply_action(self, action: int) -> None:
        super().apply_action(action)
        self.last = action

    def observation(self) -> npt.NDArray[np.float32]:
        obs = super().observation()
        obs[0, 0, 0] = self.last == 0
        return obs

    def clone(self) -> "CloneForgetsTheLastMove":
        return type(self)(self.game, self.to_text())


class StaleHash(Plain):
    def __init__(self, game: Game, board: str = ".........") -> None:
        super().__init__(game, board)
        self.hash = super().position_hash()

    def apply_action(self, action: int) -> None:
        super().apply_action(action)
        if self.board[8] == ".":  # forgotten where the last cell is taken
            self.hash = super().position_hash()

    def position_hash(self) -> int:
        return self.hash


class HashOfOneSide(Plain):
    def position_hash(self) -> int:
        return 1 + sum(3**i for i in range(9) if self.board[i] == "x")


class HashOfTheHistory(Plain):
    history: tuple[int, ...] = ()

    def apply_action(self, action: int) -> None:
        super().apply_action(action)
        self.history += (action,)

    def position_hash(self) -> int:
        return hash(self.history) & 0xFFFFFFFF


class ObservesTheHistory(Plain):
    last = -1

    def apply_action(self, action: int) -> None:
        super().apply_action(action)
        self.last = action

    def observation(self) -> npt.NDArray[np.float32]:
        obs = super().observation()
        if self.last >= 0 and self.board.count(".") == 5:
            obs[1].flat[self.last] = 0
        return obs


class HiddenRule(Plain):
    """The corner may not be taken right after the centre, which no text tells."""

    last = -1

    def apply_action(self, action: int) -> None:
        super().apply_action(action)
        self.last = action

    def get_legal_actions(self) -> list[int]:
        legal = super().get_legal_actions()
        return [a for a in legal if a or self.last != 4 or len(legal) < 3]


class RandomOrder(Plain):
    calls = 0

    def get_legal_actions(self) -> list[int]:
        RandomOrder.calls += 1
        legal = super().get_legal_actions()
        return legal[::-1] if RandomOrder.calls % 97 == 0 else legal


class LookingPlays(Plain):
    def returns(self) -> list[float]:
        if self.board[:2] == ["x", "o"]:
            self.board[2] = "x"
        return super().returns()


# -- bugs of tic-tac-toe: the rules ---------------------------------------------------------------


class TakesOccupiedCells(Plain):
    def apply_action(self, action: int) -> None:
        if not 0 <= action < 9 or self.is_terminal():
            raise IllegalActionError(f"{action} is not legal")
        self.board[action] = "xo"[self.get_current_player()]


class PlaysOnAfterTheEnd(Plain):
    def apply_action(self, action: int) -> None:
        if not 0 <= action < 9 or self.board[action] != ".":
            raise IllegalActionError(f"{action} is not legal")
        self.board[action] = "xo"[self.get_current_player()]


class NegativeIndex(Plain):
    def apply_action(self, action: int) -> None:
        if self.is_terminal() or action > 8 or self.board[action] != ".":
            raise IllegalActionError(f"{action} is not legal")
        self.board[action] = "xo"[self.get_current_player()]


class RefusesTooLate(Plain):
    def apply_action(self, action: int) -> None:
        before = list(self.board)
        if 0 <= action < 9:
            self.board[action] = "xo"[self.get_current_player()]
        if before[action % 9] != ".":
            raise IllegalActionError(f"{action} is not legal")
        self.board = before
        super().apply_action(action)


class ForgottenDiagonal(Plain):
    """The two diagonals are not alike, and so the board is not symmetric."""

    def winner(self) -> str | None:
        board = self.board
        if board[2] == board[4] == board[6] != ".":
            self.board = [*board[:4], ".", *board[5:]]
            try:
                return super().winner()
            finally:
                self.board = board
        return super().winner()


class MissingPass(Plain):
    """The second player may not take two of the cells; with nothing else left it should pass."""

    def get_legal_actions(self) -> list[int]:
        legal = super().get_legal_actions()
        return [a for a in legal if a not in (4, 8)] if self.get_current_player() else legal


class LastMoveTwice(Plain):
    def get_legal_actions(self) -> list[int]:
        legal = super().get_legal_actions()
        return legal * 2 if len(legal) == 1 else legal


class EndNotNoticed(Plain):
    def is_terminal(self) -> bool:
        return self.winner() is not None

    def get_legal_actions(self) -> list[int]:
        return [] if self.is_terminal() else [i for i in range(9) if self.board[i] == "."]


class ValueForTheMover(Plain):
    def returns(self) -> list[float]:
        first = super().returns()[0]
        mine = first if self.get_current_player() == 0 else -first
        return [mine, -mine]


class BothGetADraw(Plain):
    def returns(self) -> list[float]:
        return [0.5, 0.5] if self.is_terminal() and self.winner() is None else super().returns()


class PaysInAdvance(Plain):
    def returns(self) -> list[float]:
        return [0.25, -0.25] if self.board.count("x") == 3 == 1 + self.board.count("o") else (
            super().returns()
        )  # fmt: skip


class PlayersOneAndTwo(Plain):
    def get_current_player(self) -> int:
        return 1 + super().get_current_player()

    def observation(self) -> npt.NDArray[np.float32]:
        return np.zeros((2, 3, 3), np.float32)

    def apply_action(self, action: int) -> None:
        if action not in self.get_legal_actions():
            raise IllegalActionError(f"{action} is not legal")
        self.board[action] = "?xo"[self.get_current_player()]


class RareError(Plain):
    def get_legal_actions(self) -> list[int]:
        assert self.board.count(".") != 2 or self.winner() != "o"
        return super().get_legal_actions()


# -- bugs of tic-tac-toe: what is shown -----------------------------------------------------------


class NotANumber(Plain):
    def observation(self) -> npt.NDArray[np.float32]:
        obs = super().observation()
        return obs * np.float32(math.nan) if self.board.count("x") == 2 else obs


class PacksTheOtherSide(Plain):
    def packed_observation(self) -> npt.NDArray[np.uint8]:
        packed = super().packed_observation()
        return np.concatenate([packed[8:], packed[:8]])


class TwoNamesAlike(Plain):
    def action_to_move(self, action: int) -> str:
        return "abcdefgha"[action]


class TwoWords(Plain):
    def action_to_move(self, action: int) -> str:
        return f"cell {action}"


class ReadsIllegalMoves(Plain):
    def move_to_action(self, text: str) -> int:
        if text not in tuple("012345678"):
            raise IllegalActionError(text)
        return int(text)


class MoveErrorOfAnotherKind(Plain):
    def move_to_action(self, text: str) -> int:
        return {self.action_to_move(a): a for a in self.get_legal_actions()}[text]


def planted(state: type[Plain]) -> PlainGame:
    return PlainGame(state)


# -- bugs of whole games --------------------------------------------------------------------------


class OneStateForAll(PlainGame):
    def __init__(self) -> None:
        super().__init__()
        self.first = Plain(self)

    def initial_state(self) -> GameState:
        return self.first


class ParserForgetsO(PlainGame):
    def state_from_text(self, text: str) -> GameState:
        state = super().state_from_text(text)
        return super().state_from_text(text[:8] + ".") if text[8] == "o" else state


class ParserRaisesIndexError(PlainGame):
    def state_from_text(self, text: str) -> GameState:
        if text[0] not in ".xo" or text[8] not in ".xo":
            raise GameError(f"{text!r} is no board")
        return super().state_from_text(text)


class TurnedActions(TicTacToe):
    """The actions turn the wrong way round."""

    def symmetries(self) -> Any:
        cells, actions = super().symmetries()
        actions[1], actions[3] = actions[3].copy(), actions[1].copy()
        return cells, actions


class ShortGame(PlainGame):
    def __init__(self) -> None:
        super().__init__(max_game_length=7)


class NarrowGame(PlainGame):
    def __init__(self) -> None:
        super().__init__(max_legal_actions=8)


class Shuffle(BoardGame):
    """Two pieces on five cells that may step back: it does not end as it says."""

    def __init__(self) -> None:
        super().__init__("x...o", max_game_length=9, num_actions=10)

    def legal_actions(self, board: list[str], player: int) -> list[int]:
        here = board.index("xo"[player])
        steps = ((here - 1, 0), (here + 1, 1))
        return [2 * here + way for to, way in steps if 0 <= to < 5 and board[to] == "."]

    def play(self, board: list[str], player: int, action: int) -> None:
        here, way = divmod(action, 2)
        board[here], board[here + 2 * way - 1] = ".", board[here]


class Heap(DoubleMove):
    """One heap; taking two moves again, so that the player to move does not follow from it."""

    state: type[DoubleMoveState] = DoubleMoveState

    def initial_state(self) -> DoubleMoveState:
        return self.state(self, self.columns, 0)

    def state_from_text(self, text: str) -> DoubleMoveState:
        try:
            heap, player = map(int, text.split())
        except ValueError as error:
            raise GameError(f"{text!r} is not a heap and a player") from error
        if not 0 <= heap <= self.columns or player not in (0, 1):
            raise GameError(f"{text!r} is not a heap and a player")
        found = self.state(self, heap, player)
        found.winner = 1 - player
        return found


class RightHeapState(DoubleMoveState):
    """Who has taken the last object has won, also with two, and it is the other's turn."""

    def apply_action(self, action: int) -> None:
        super().apply_action(action)
        if self.heap == 0:
            self.player = 1 - self.winner


class HashWithoutPlayer(RightHeapState):
    def position_hash(self) -> int:
        return 77 + self.heap


class TextWithoutPlayer(RightHeapState):
    def to_text(self) -> str:
        return f"{self.heap} 0"


class ParityOfPlies(RightHeapState):
    """Takes for granted that the players alternate."""

    plies = 0

    def apply_action(self, action: int) -> None:
        super().apply_action(action)
        self.plies += 1

    def returns(self) -> list[float]:
        return [0.0, 0.0] if self.heap else [1.0, -1.0] if self.plies % 2 else [-1.0, 1.0]


def heap(state: type[DoubleMoveState]) -> Heap:
    game = Heap(6)
    game.state = state
    return game


def test_the_games_without_bugs_pass() -> None:
    check_game(PlainGame(), num_games=12)
    check_game(heap(RightHeapState), num_games=12)
    check_game(TicTacToe(), num_games=12)


@pytest.mark.parametrize(
    ("game", "promise"),
    [
        (planted(SharedClone), "clones"),
        (planted(CloneForgetsTheLastMove), "clones"),
        (planted(StaleHash), "text|hash"),
        (planted(HashOfOneSide), "hash"),
        (planted(HashOfTheHistory), "text|hash"),
        (planted(ObservesTheHistory), "text|equal"),
        (planted(HiddenRule), "text|equal"),
        (planted(RandomOrder), "legal|looking|clones|twins|refusal|text|symmetries|equal"),
        (planted(LookingPlays), "looking|clones"),
        (planted(TakesOccupiedCells), "refusal"),
        (planted(PlaysOnAfterTheEnd), "refusal"),
        (planted(NegativeIndex), "refusal"),
        (planted(RefusesTooLate), "refusal"),
        (planted(MissingPass), "legal"),
        (planted(LastMoveTwice), "legal"),
        (planted(EndNotNoticed), "legal"),
        (planted(ValueForTheMover), "returns"),
        (planted(BothGetADraw), "returns"),
        (planted(PaysInAdvance), "returns"),
        (planted(PlayersOneAndTwo), "legal"),
        (planted(RareError), "errors"),
        (planted(NotANumber), "observation|errors"),
        (planted(PacksTheOtherSide), "observation"),
        (planted(TwoNamesAlike), "notation"),
        (planted(TwoWords), "notation"),
        (planted(ReadsIllegalMoves), "notation"),
        (planted(MoveErrorOfAnotherKind), "notation"),
        (OneStateForAll(), "symmetries|clones|looking|equal|text|errors"),
        (ParserForgetsO(), "text"),
        (ParserRaisesIndexError(), "errors"),
        (TurnedActions(), "symmetries"),
        (ShortGame(), "length"),
        (NarrowGame(), "legal"),
        (Shuffle(), "length"),
        (heap(HashWithoutPlayer), "hash"),
        (heap(TextWithoutPlayer), "text"),
        (heap(ParityOfPlies), "text|equal"),
    ],
    ids=lambda value: (
        "" if isinstance(value, str)
        else getattr(value, "state", type(value)).__name__
    ),
)  # fmt: skip
def test_a_planted_bug_is_found_and_shown_in_few_moves(game: Game, promise: str) -> None:
    with pytest.raises(ContractError) as info:
        check_game(game)
    broken = info.value
    assert broken.promise in promise.split("|")
    assert len(broken.moves) <= MAX_MOVES
    assert all(len(moves) <= MAX_MOVES for moves in broken.others)
    assert broken.rule in str(broken) and " ".join(broken.moves) in str(broken)


class Headstart(BoardGame):
    """Each takes one to three; the first player must get nine of twelve, which is hard."""

    def __init__(self) -> None:
        super().__init__("." * 12, max_game_length=12, num_actions=3)

    def legal_actions(self, board: list[str], player: int) -> list[int]:
        return list(range(min(3, board.count("."))))

    def play(self, board: list[str], player: int, action: int) -> None:
        first = board.index(".")
        board[first : first + action + 1] = "xo"[player] * (action + 1)

    def result(self, board: list[str], player: int, legal: list[int]) -> float | None:
        if legal:
            return None
        return 1.0 if (board.count("x") >= 9) == (player == 0) else -1.0


def test_a_side_that_hardly_ever_wins_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    check_game(Headstart(), seed=1)
    monkeypatch.setattr(doctor, "_HELPED", 0)  # without help it would look like one
    with pytest.raises(ContractError, match="player 1 won every decided game"):
        check_game(Headstart(), seed=1)


class Diagonals(PlainGame):
    def symmetries(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        return TicTacToe().symmetries()


def test_a_forgotten_line_is_no_symmetry() -> None:
    with pytest.raises(ContractError) as info:
        check_game(Diagonals(ForgottenDiagonal))
    assert info.value.promise == "symmetries"
    assert len(info.value.moves) == 5  # nobody can complete a line earlier


@pytest.mark.parametrize(
    ("state", "length"),
    [
        (TakesOccupiedCells, 1),
        (StaleHash, 1),
        (PlaysOnAfterTheEnd, 5),
        (PaysInAdvance, 5),
        (LastMoveTwice, 8),
        (EndNotNoticed, 9),
        (BothGetADraw, 9),
    ],
)
def test_the_shortest_moves_that_show_a_bug_are_found(state: type[Plain], length: int) -> None:
    with pytest.raises(ContractError) as info:
        check_game(PlainGame(state))
    assert len(info.value.moves) == length


def test_a_bug_late_in_a_long_game_is_shown_in_few_moves() -> None:
    class Late(Shuffle):
        """Right but for one position that a long game is bound to reach."""

        def __init__(self) -> None:
            BoardGame.__init__(self, "x.........o", max_game_length=400, num_actions=22)

        def legal_actions(self, board: list[str], player: int) -> list[int]:
            here = board.index("xo"[player])
            steps = ((here - 1, 0), (here + 1, 1))
            return [2 * here + way for to, way in steps if 0 <= to < 11 and board[to] == "."]

        def result(self, board: list[str], player: int, legal: list[int]) -> float | None:
            if board[4] == "x" and board[6] == "o":
                return 2.0
            return None

    with pytest.raises(ContractError) as info:
        check_game(Late())
    assert "returns must be two numbers in [-1, 1]" in info.value.rule
    assert len(info.value.moves) == 8


# -- twins that lie: a game in Cython whose two faces differ --------------------------------------


class Twins:
    """`games.twins` of a game in which the twin `name` gives `lie(true answer, state)` instead."""

    def __init__(self, name: str, lie: Callable[[Any, GameState], Any]) -> None:
        self.name, self.lie = name, lie

    def __getattr__(self, name: str) -> Any:
        true = getattr(twins, name)
        if name != self.name:
            return true
        return lambda state, *args: self.lie(true(state, *args), state)


def late(state: GameState) -> bool:
    return state.to_text().count(".") <= 4


@pytest.mark.parametrize(
    ("name", "lie", "rule"),
    [
        ("is_terminal", lambda true, state: true and not late(state), "is_terminal_c does not"),
        ("current_player", lambda true, state: true ^ late(state), "current_player_c does not"),
        ("position_hash", lambda true, state: true ^ late(state), "hash_c does not"),
        ("observe", lambda true, state: true ^ late(state), "observe_c does not"),
        ("legal_actions", lambda true, state: true[late(state) :], "legal_actions_c does not"),
        ("legal_actions", lambda true, state: true[:: 1 - 2 * late(state)], "legal_actions_c does"),
        ("outcome", lambda true, state: -true, "outcome_c must be"),
        ("copy_from", lambda true, state: twins.apply(state, 8), "copy_from_c must copy"),
        ("apply", lambda true, state: twins.apply(state, 8), "apply_c must play"),
        ("perft", lambda true, state: true + late(state), "all must count as many|counting"),
    ],
)
def test_a_twin_that_differs_is_found(
    name: str,
    lie: Callable[[Any, GameState], Any],
    rule: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks, "twins", Twins(name, lie))
    with pytest.raises(ContractError, match=rule) as info:
        check_game("tictactoe", num_games=12)
    assert len(info.value.moves) <= MAX_MOVES


# -- the command ----------------------------------------------------------------------------------


BROKEN = """
import games

class Broken(games.BoardGame):
    def __init__(self):
        super().__init__("...", max_game_length=2)

    def legal_actions(self, board, player):
        return [cell for cell in range(3) if board[cell] == "."]

    def play(self, board, player, action):
        board[action] = "xo"[player]
"""


def command(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as info:
        main(["check-game", *args])
    assert isinstance(info.value.code, int)
    return info.value.code, capsys.readouterr().out


def test_the_command_lists_the_promises(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = command(capsys, "tictactoe", "--games", "2", "--seconds", "5", "--seed", "3")
    assert code == 0
    for promise in PROMISES.values():
        assert promise.split(",")[0] in out
    assert "kept every promise in 2 games" in out


def test_the_command_says_what_is_broken(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.py"
    path.write_text(BROKEN)
    code, out = command(capsys, str(path))
    assert code == 1
    assert "the game goes on after max_game_length = 2 plies" in out
    assert "moves: a1 b1" in out
    assert "x o ." in out


def test_the_command_writes_json(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.py"
    path.write_text(BROKEN)
    code, out = command(capsys, str(path), "--json")
    report = json.loads(out)
    assert (code, report["kept"], report["promise"]) == (1, False, "length")
    assert report["moves"] == ["a1", "b1"]
    code, out = command(capsys, "tictactoe", "--json", "--games", "2")
    report = json.loads(out)
    assert (code, report["kept"], report["num_games"]) == (0, True, 2)
    assert set(report["checked"]) == set(PROMISES)


def test_seconds_end_the_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_game("tictactoe", num_games=1000, seconds=1e-9).num_games == 1


def test_progress_is_told() -> None:
    done: list[int] = []
    told: Callable[[int], None] = done.append
    check_game("tictactoe", num_games=3, progress=told)
    assert done == [1, 2, 3]
