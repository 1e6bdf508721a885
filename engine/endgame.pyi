from games.base import Game, GameState

class Endgame:
    game: Game
    max_nodes: int
    num_nodes: int
    def __new__(cls, game: Game, max_nodes: int) -> Endgame: ...
    def prove(self, state: GameState) -> tuple[int, dict[int, int]] | None: ...
