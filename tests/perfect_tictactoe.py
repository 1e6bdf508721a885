"""A perfect player of tic-tac-toe, and how a trained one does against it.

``python -m tests.perfect_tictactoe RUN [GAMES] [RANDOM_GAMES]`` plays the full matches: 200 games
against perfect play and 500 against random moves, half of them on either side.
"""

import random
import sys
from collections.abc import Callable
from functools import cache

import torch

import games
from engine.backends.torch_backend import TorchEvaluator
from engine.search import Search
from games.base import GameState
from trainer.arena.players import contestant
from trainer.network import load_plan

GAME = games.make("tictactoe")
Player = Callable[[GameState], int]


@cache
def value(text: str) -> float:
    """The result of perfect play from `text`, for the player to move."""
    state = GAME.state_from_text(text)
    if state.is_terminal():
        return float(state.returns()[state.get_current_player()])
    return max(-value(after(state, action).to_text()) for action in state.get_legal_actions())


def after(state: GameState, action: int) -> GameState:
    """`state` once `action` is played."""
    state = state.clone()
    state.apply_action(action)
    return state


def best_actions(state: GameState) -> list[int]:
    """The actions that keep the value of `state`."""
    best = value(state.to_text())
    legal = state.get_legal_actions()
    return [action for action in legal if -value(after(state, action).to_text()) == best]


def perfect(rng: random.Random) -> Player:
    """Any of the best moves: whoever has a hole is found out."""
    return lambda state: rng.choice(best_actions(state))


def at_random(rng: random.Random) -> Player:
    """Any legal move."""
    return lambda state: rng.choice(state.get_legal_actions())


def trained(path: str, num_simulations: int) -> Player:
    """The player of a run or a checkpoint, with a fresh search for each position."""
    who = contestant(path, num_simulations)
    evaluator = TorchEvaluator(GAME, str(who.model), load_plan=load_plan)
    found: dict[str, int] = {}  # a search without noise always comes to the same move

    def play(state: GameState) -> int:
        text = state.to_text()
        if text not in found:
            search = Search(GAME, who.search)
            search.set_state(state)
            search.run(evaluator)
            found[text] = max(search.candidates(), key=lambda c: c["visits"])["action"]
        return found[text]

    return play


def match(player: Player, opponent: Player, num_games: int) -> tuple[int, int, int]:
    """Wins, draws and losses of `player`, who moves first in every other game."""
    results = [0, 0, 0]
    for number in range(num_games):
        state, side = GAME.initial_state(), number % 2
        while not state.is_terminal():
            mover = player if state.get_current_player() == side else opponent
            state.apply_action(mover(state))
        results[1 - round(state.returns()[side])] += 1
    return results[0], results[1], results[2]


def main() -> None:
    """Play both matches and print them; exit code 1 if a game was lost."""
    torch.set_num_threads(1)  # a position at a time has no work for more
    run, *numbers = sys.argv[1:]
    games_each = [*map(int, numbers), *(200, 500)[len(numbers) :]]
    player, rng = trained(run, 50), random.Random(1)
    lost = 0
    opponents = {"perfect": perfect(rng), "random": at_random(rng)}
    for (name, opponent), num in zip(opponents.items(), games_each, strict=True):
        wins, draws, losses = match(player, opponent, num)
        lost += losses
        print(f"against {name}: {wins} won, {draws} drawn, {losses} lost of {num}")
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
