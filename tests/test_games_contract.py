"""The contract check finds planted bugs, and says what and where."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from plain_tictactoe import Plain, PlainGame

import games
from games import Game, GameState, IllegalActionError, twins
from games.contract import ContractError, check_game
from games.othello import Othello, OthelloState
from games.tictactoe import TicTacToe


class SharedBoard(Plain):
    def clone(self) -> "SharedBoard":
        twin = type(self)(self.game)
        twin.board = self.board
        return twin


class ForgetfulCopy(Plain):
    """clone forgets who was to move."""

    def __init__(self, game: Game, board: str = ".........") -> None:
        super().__init__(game, board)
        self.player = super().get_current_player()

    def apply_action(self, action: int) -> None:
        super().apply_action(action)
        self.player = 1 - self.player

    def get_current_player(self) -> int:
        return self.player

    def clone(self) -> "ForgetfulCopy":
        twin = type(self)(self.game)
        twin.board = list(self.board)
        return twin


class HashOfCounts(Plain):
    def position_hash(self) -> int:
        return 1 + self.board.count("x")


class HashOfIdentity(Plain):
    def __init__(self, game: Game, board: str = ".........") -> None:
        super().__init__(game, board)
        self.token = [0]

    def position_hash(self) -> int:
        return id(self.token)


class Unsorted(Plain):
    def get_legal_actions(self) -> list[int]:
        return super().get_legal_actions()[::-1]


class MovesAfterTheEnd(Plain):
    def get_legal_actions(self) -> list[int]:
        return [i for i in range(9) if self.board[i] == "."]


class Stuck(Plain):
    def get_legal_actions(self) -> list[int]:
        return super().get_legal_actions()[1:]


class OutOfRange(Plain):
    def get_legal_actions(self) -> list[int]:
        legal = super().get_legal_actions()
        return [*legal, 9] if legal else []


class AcceptsAnything(Plain):
    def apply_action(self, action: int) -> None:
        if 0 <= action < 9:
            self.board[action] = "xo"[self.get_current_player()]
        else:
            raise IllegalActionError("out of range")


class ChangesBeforeItRefuses(Plain):
    def apply_action(self, action: int) -> None:
        legal = action in self.get_legal_actions()
        if 0 <= action < 9:
            self.board[action] = "xo"[self.get_current_player()]
        if not legal:
            raise IllegalActionError("too late")


class WrongErrorType(Plain):
    def apply_action(self, action: int) -> None:
        if action not in self.get_legal_actions():
            raise KeyError(action)
        super().apply_action(action)


class BothWin(Plain):
    def returns(self) -> list[float]:
        return [abs(value) for value in super().returns()]


class EarlyReward(Plain):
    def returns(self) -> list[float]:
        if self.board[4] == "x" and not self.is_terminal():
            return [0.5, -0.5]
        return super().returns()


class SameNames(Plain):
    def action_to_move(self, action: int) -> str:
        return "abc"[action % 3]


class WrongMove(Plain):
    def move_to_action(self, text: str) -> int:
        action = super().move_to_action(text)
        return {3: 5}.get(action, action)


class GreyPlanes(Plain):
    def observation(self) -> npt.NDArray[np.float32]:
        return super().observation() * np.float32(0.5)


class DoubleObservation(Plain):
    def observation(self) -> npt.NDArray[np.float32]:
        return super().observation().astype(np.float64)


class OtherPacking(Plain):
    def packed_observation(self) -> npt.NDArray[np.uint8]:
        return super().packed_observation()[::-1].copy()


class LookingChanges(Plain):
    def __str__(self) -> str:
        if "." in self.board:
            self.board[self.board.index(".")] = "x"
        return super().__str__()


class Raises(Plain):
    def returns(self) -> list[float]:
        if self.board[4] == "o":
            raise ZeroDivisionError("planted")
        return super().returns()


class TwoLines(Plain):
    def to_text(self) -> str:
        return "\n".join(super().to_text())


def test_plain_python_game_keeps_the_contract() -> None:
    check_game(PlainGame())


@pytest.mark.parametrize(
    ("state", "rule"),
    [
        (SharedBoard, "playing on a clone must not change the original"),
        (ForgetfulCopy, "copy_from_c must copy everything.*player"),
        (HashOfCounts, "different positions must hash differently"),
        (HashOfIdentity, "hash"),
        (Unsorted, "legal actions must be sorted and unique"),
        (MovesAfterTheEnd, "empty if and only if the game is over"),
        (Stuck, "empty if and only if the game is over"),
        (OutOfRange, r"legal actions must be in \[0, 9\)"),
        (AcceptsAnything, "not legal, must raise IllegalActionError, got no error"),
        (ChangesBeforeItRefuses, "an illegal action must change nothing"),
        (WrongErrorType, r"must raise IllegalActionError, got KeyError\(-1\)"),
        (BothWin, "returns must sum to zero"),
        (EarlyReward, "returns must be zeros before the end"),
        (SameNames, "legal moves must have different names"),
        (WrongMove, "move_to_action must undo action_to_move, 3 became '3' and then 5"),
        (GreyPlanes, "the bit planes of plain must hold 0 or 1 only|must be 0 or 1"),
        (DoubleObservation, "float32, got .* float64"),
        (OtherPacking, "the packed observation must unpack to the observation"),
        (LookingChanges, "looking at a state must not change it"),
        (Raises, r"the game raised ZeroDivisionError\('planted'\)"),
        (TwoLines, "to_text must be one line"),
    ],
)
def test_planted_bug_is_found(state: type[Plain], rule: str) -> None:
    with pytest.raises(ContractError, match=rule):
        check_game(PlainGame(state))


@pytest.mark.parametrize(
    ("sizes", "rule"),
    [
        ({"max_game_length": 8}, "the game goes on after max_game_length = 8 plies"),
        ({"max_legal_actions": 8}, "9 legal actions|more than max_legal_actions|exceed"),
        ({"max_legal_actions": 10}, r"max_legal_actions must be in \[1, num_actions = 9\]"),
        ({"num_planes": 1, "num_scalars": 1}, "a scalar of an observation must be"),
        ({"num_planes": 3}, "must have shape|must be"),
    ],
)
def test_wrong_sizes_are_found(sizes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ContractError, match=rule):
        check_game(PlainGame(**sizes))


class Symmetric(TicTacToe):
    """The native game with other tables."""

    cells = actions = np.arange(9, dtype=np.int32)[None]

    def symmetries(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        return self.cells, self.actions


IDENTITY = list(range(9))
FLIP = [2, 1, 0, 5, 4, 3, 8, 7, 6]
TURN = [6, 3, 0, 7, 4, 1, 8, 5, 2]
BACK = [2, 5, 8, 1, 4, 7, 0, 3, 6]


@pytest.mark.parametrize(
    ("cells", "actions", "rule"),
    [
        ([IDENTITY, FLIP], [IDENTITY, IDENTITY], "the observation is not the permuted"),
        ([IDENTITY, TURN], [IDENTITY, BACK], "the observation is not the permuted"),
        ([IDENTITY, [1, 0, *range(2, 9)]], [IDENTITY, [1, 0, *range(2, 9)]], "must be one of the"),
        ([FLIP, IDENTITY], [FLIP, IDENTITY], "must begin with the identity"),
        ([IDENTITY, [0] * 9], [IDENTITY, FLIP], "must be permutations, the cells are not"),
        ([IDENTITY, FLIP], [IDENTITY], r"symmetries must have actions \[S, 9\]"),
    ],
)
def test_wrong_symmetries_are_found(
    cells: list[list[int]], actions: list[list[int]], rule: str
) -> None:
    game = Symmetric()
    game.cells, game.actions = np.array(cells, np.int32), np.array(actions, np.int32)
    with pytest.raises(ContractError, match=rule):
        check_game(game)


def test_right_symmetries_pass() -> None:
    game = Symmetric()
    game.cells = game.actions = np.array([IDENTITY, TURN, BACK, FLIP], np.int32)
    check_game(game)


class ForgetsTheSide(TicTacToe):
    def state_from_text(self, text: str) -> Any:
        return super().state_from_text("" if text.startswith("x../.../...") else text)


def test_wrong_parser_is_found() -> None:
    with pytest.raises(ContractError, match="state_from_text must undo to_text: they differ in"):
        check_game(ForgetsTheSide(), num_games=100)


class Remembers(Plain):
    """Keeps the order of its moves, which its board does not tell."""

    past = ""

    def apply_action(self, action: int) -> None:
        super().apply_action(action)
        self.past += str(action)

    def history_text(self) -> str:
        return f"{self.to_text()} {self.past}".strip()


class RemembersGame(PlainGame):
    def __init__(self, *, reads_the_past: bool) -> None:
        super().__init__(Remembers)
        self.reads_the_past = reads_the_past

    def state_from_text(self, text: str) -> GameState:
        board, _, past = text.partition(" ")
        state = super().state_from_text(board)
        assert isinstance(state, Remembers)
        state.past = past if self.reads_the_past else ""
        return state


def test_text_of_the_past_is_asked_for_where_there_is_one() -> None:
    check_game(RemembersGame(reads_the_past=True))
    with pytest.raises(ContractError, match="must undo history_text: they differ in history"):
        check_game(RemembersGame(reads_the_past=False))


def test_error_has_the_rule_the_moves_and_the_board() -> None:
    with pytest.raises(ContractError) as info:
        check_game(PlainGame(EarlyReward))
    error = info.value
    state = PlainGame(EarlyReward).initial_state()
    for move in error.moves:
        state.apply_action(state.move_to_action(move))
    assert state.returns() == [0.5, -0.5]
    assert str(error) == (
        f"games.make('plain'): {error.rule}\nmoves: {' '.join(error.moves)}\n{state}"
    )


def test_the_seed_decides_the_games() -> None:
    reports = [check_game(PlainGame(), num_games=3, seed=seed) for seed in (1, 1, 2)]
    assert reports[0] == reports[1] != reports[2]


def test_a_symmetry_that_swaps_colours_must_say_so() -> None:
    class Forgetful(Othello):
        def initial_image(self, symmetry: int) -> OthelloState:
            return self.initial_state()

    with pytest.raises(ContractError, match="symmetry 1 must be one of the rules"):
        check_game(Forgetful(4))


def test_perft_with_and_without_bulk_counting_agree() -> None:
    game = games.make("tictactoe")
    counts = [1, 9, 72, 504, 3024, 15120, 54720, 148176, 200448, 127872, 0]
    for bulk in (True, False):
        assert [twins.perft(game, depth, bulk=bulk) for depth in range(11)] == counts


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="num_games must be >= 1, got 0"):
        check_game("tictactoe", num_games=0)
    with pytest.raises(ValueError, match="depth must be >= 0, got -1"):
        twins.perft(games.make("tictactoe"), -1)
    with pytest.raises(ValueError, match="num_games must be >= 0, got -1"):
        twins.playouts(games.make("tictactoe").initial_state(), -1)
    with pytest.raises(TypeError, match="states must be of one game"):
        twins.copy_from(
            games.make("tictactoe").initial_state(), games.make("connect4").initial_state()
        )


def test_playouts_draw_every_move_evenly() -> None:
    # Of random games of tic-tac-toe x wins 737/1260, o 121/420.
    state = games.make("tictactoe").initial_state()
    plies, total = twins.playouts(state, 20000, seed=1)
    assert abs(total / 20000 - (737 / 1260 - 121 / 420)) < 0.02
    assert 5 * 20000 <= plies <= 9 * 20000
    assert (plies, total) == twins.playouts(state, 20000, seed=1)
    assert (plies, total) != twins.playouts(state, 20000, seed=2)
    assert state.to_text() == games.make("tictactoe").initial_state().to_text()
