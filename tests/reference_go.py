"""Go in plain Python, slow and by the book: boards are strings, groups are found by search."""

from dataclasses import dataclass, field


@dataclass
class ReferenceGo:
    """A game from the empty board; points are numbered row by row from the top left."""

    size: int
    ko: str = "positional"
    suicide: bool = False
    board: str = ""
    player: int = 0
    history: list[tuple[str, int]] = field(default_factory=list)
    """Every board so far with the player who was to move, the present one last."""
    moves: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.board = self.board or "." * self.size**2
        self.history.append((self.board, self.player))

    def neighbours(self, point: int) -> list[int]:
        row, column = divmod(point, self.size)
        near = ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column))
        return [r * self.size + c for r, c in near if 0 <= r < self.size and 0 <= c < self.size]

    def group(self, board: str, point: int) -> tuple[set[int], set[int]]:
        """The points connected to `point` that look alike, and the other points beside them."""
        inside, border, todo = {point}, set(), [point]
        while todo:
            for near in self.neighbours(todo.pop()):
                if board[near] != board[point]:
                    border.add(near)
                elif near not in inside:
                    inside.add(near)
                    todo.append(near)
        return inside, border

    def without_dead(self, board: str, colour: str) -> tuple[str, int]:
        """The board without the groups of `colour` that have no liberty, and their stones."""
        dead = {
            point
            for point, mark in enumerate(board)
            if mark == colour and all(board[near] != "." for near in self.group(board, point)[1])
        }
        return "".join("." if i in dead else mark for i, mark in enumerate(board)), len(dead)

    def board_after(self, point: int) -> str | None:
        """The board after a stone on `point`; None where captures and suicide forbid it."""
        if self.board[point] != ".":
            return None
        own, other = "xo"[self.player], "xo"[1 - self.player]
        board = self.board[:point] + own + self.board[point + 1 :]
        board, _ = self.without_dead(board, other)
        board, suicides = self.without_dead(board, own)
        return None if suicides > self.suicide * len(board) or suicides == 1 else board

    def repeats(self, board: str) -> bool:
        if self.ko == "simple":
            return len(self.history) > 1 and self.history[-2][0] == board
        if self.ko == "situational":
            return (board, 1 - self.player) in self.history
        return board in {seen for seen, _ in self.history}

    def points(self) -> tuple[list[int], list[int]]:
        """Legal points, and points that only repetition forbids."""
        legal, repeating = [], []
        for point in range(self.size**2):
            board = self.board_after(point)
            if board is not None:
                (repeating if self.repeats(board) else legal).append(point)
        return legal, repeating

    def play(self, action: int) -> None:
        if action < self.size**2:
            board = self.board_after(action)
            assert board is not None
            self.board = board
        self.player = 1 - self.player
        self.history.append((self.board, self.player))
        self.moves.append(action)

    def area(self) -> tuple[int, int]:
        areas = [self.board.count("x"), self.board.count("o")]
        for point, mark in enumerate(self.board):
            if mark == ".":
                owners = {self.board[near] for near in self.group(self.board, point)[1]}
                for player in (0, 1):
                    areas[player] += owners == {"xo"[player]}
        return areas[0], areas[1]

    def liberties(self, point: int) -> int:
        return sum(self.board[near] == "." for near in self.group(self.board, point)[1])
