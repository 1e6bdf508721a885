"""Domineering: a whole game in one class, to copy from; docs/games.md explains it line by line.

Two players lay dominoes on free cells, the first one upright, the second one flat. Who cannot
lay another has lost.
"""

from games import BoardGame, GameError


class Domineering(BoardGame):
    def __init__(self, rows: int = 6, columns: int = 6) -> None:
        if not (2 <= rows <= 16 and 2 <= columns <= 16):
            raise GameError(f"domineering needs 2 to 16 rows and columns, got {rows}, {columns}")
        super().__init__(
            "/".join(["." * columns] * rows),
            max_game_length=rows * columns // 2,
            options={"rows": rows, "columns": columns},
        )

    def other_end(self, cell: int, player: int) -> int | None:
        return self.step(cell, 1, 0) if player == 0 else self.step(cell, 0, 1)

    def legal_actions(self, board: list[str], player: int) -> list[int]:
        ends = [(cell, self.other_end(cell, player)) for cell in range(len(board))]
        return [a for a, b in ends if b is not None and board[a] == board[b] == "."]

    def play(self, board: list[str], player: int, action: int) -> None:
        end = self.other_end(action, player)
        assert end is not None  # the action is legal
        board[action] = board[end] = "xo"[player]
