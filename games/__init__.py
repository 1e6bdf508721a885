"""The rules of games: one contract, several games, a registry. Knows nothing of search.

>>> import games
>>> state = games.make("connect4").initial_state()
>>> state.apply_action(state.move_to_action("4"))
>>> state.get_legal_actions()
[0, 1, 2, 3, 4, 5, 6]

`games.contract.check_game` tells whether a game of yours keeps the contract.
"""

from games.base import Game, GameState, NativeState
from games.errors import GameError, IllegalActionError
from games.plain import BoardGame, BoardState
from games.registry import from_spec, make, names, register, spec

__all__ = [
    "BoardGame",
    "BoardState",
    "Game",
    "GameError",
    "GameState",
    "IllegalActionError",
    "NativeState",
    "from_spec",
    "make",
    "names",
    "register",
    "spec",
]
