"""Boards with what a player thinks of them, for notebooks.

::

    from trainer.notebook import Analyst
    analyst = Analyst("runs/connect4")
    analyst.show("4 4 3", simulations=2000)        # the board, with visits and win rates on it
"""

from dataclasses import replace

from games.base import GameState
from games.svg import render
from trainer.arena.players import contestant, game_of
from trainer.candidates import variation_text
from trainer.protocols.points import Points
from trainer.thinking import Limits, Thinker, Thought

__all__ = ["Analyst", "Picture"]

LEAVES = 16
MOST_LINES = 3


class Picture:
    """A position and a thought, which notebooks show as a picture.

    On the board each move's disc is as strong as its share of the visits; in it stand the win
    rate of the player to move and the network's prior, in per cent. Below it the best lines.
    """

    def __init__(self, state: GameState, thought: Thought) -> None:
        self.state, self.thought = state, thought

    def to_svg(self) -> str:
        """The picture as an SVG document."""
        points, hints = Points(self.state.game), dict[int, tuple[float, str]]()
        most = max(1, self.thought.best.visits)
        for line in self.thought.lines:
            cell = points.target(self.state, line.action)
            # Of several moves to one cell the best comes first.
            if line.visits and cell is not None and cell not in hints:
                rates = f"{100 * line.winrate:.0f}\n{100 * line.prior:.0f}"
                hints[cell] = (line.visits / most, rates)
        drawing = self.state.drawing()
        lines = [
            f"{line.visits} visits, {100 * line.winrate:.1f} %: "
            + variation_text(self.state, line.variation)
            for line in self.thought.lines[:MOST_LINES]
        ]
        caption = "\n".join([drawing.caption, *lines]).strip()
        return render(replace(drawing, hints=hints, caption=caption))

    def _repr_svg_(self) -> str:
        return self.to_svg()


class Analyst:
    """A player who comments positions.

    Parameters
    ----------
    player
        A run, RUN:best, a checkpoint, a model file, or mcts:1000.
    game
        Of a baseline: a game, with its options.
    """

    def __init__(self, player: str, game: str | None = None) -> None:
        who = contestant(player, 1)
        self.game = game_of(who, game=game)
        self._thinker = Thinker(who, self.game, leaves=LEAVES)

    def show(
        self, moves: str = "", position: str = "", *, simulations: int = 800, seconds: float = 0.0
    ) -> Picture:
        """What the player thinks after `moves` from `position`, by default the first one."""
        first = self.game.state_from_text(position) if position else self.game.initial_state()
        state, line = first.clone(), list[int]()
        for move in moves.split():
            line.append(state.move_to_action(move))
            state.apply_action(line[-1])
        self._thinker.set(line, first)
        limits = Limits(simulations=simulations, seconds=seconds, decided=False)
        return Picture(state, self._thinker.think(limits))
