"""GNU Go looks through stored games of Go: every legal move, and the final scores.

``python -m tests.gnugo_agreement STORE`` replays all 9x9 games of a store, for example those of
``ringzero arena mcts:100 "gtp:/usr/games/gnugo --mode gtp --chinese-rules --positional-superko
--forbid-suicide --capture-all-dead --level 1" --game go --games 40 --store STORE``.

GNU Go estimates which stones are dead and takes them off before it counts; Tromp and Taylor count
what stands. Scores are compared where it thinks none dead, and the other games are told.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import games
from games.base import Game, GameState
from trainer.arena.store import ArenaStore
from trainer.engines.gtp import COLOURS, GtpEngine

GNUGO = "/usr/games/gnugo"
RULES = ["--chinese-rules", "--positional-superko", "--forbid-suicide"]
PATIENCE_S = 60.0


@dataclass(slots=True)
class Agreement:
    """What has been compared, and where the two programs differ."""

    games: int = 0
    positions: int = 0
    legal_moves: int = 0
    scores: int = 0
    with_dead_stones: int = 0
    differences: tuple[str, ...] = ()


class GnuGo(GtpEngine):
    """A GNU Go that is asked about positions."""

    def __init__(self, game: Game) -> None:
        super().__init__("gnugo", [GNUGO, "--mode", "gtp", *RULES], [], game)

    def says(self, command: str) -> str:
        return self.ask(self.started(), command, time.monotonic() + PATIENCE_S)

    def begin(self) -> None:
        self._begin(self.started(), time.monotonic() + PATIENCE_S)


def compare(gnugo: GnuGo, actions: Sequence[int], found: Agreement) -> None:
    """Replay a game with GNU Go and note where it differs."""
    gnugo.begin()
    state = gnugo.game.initial_state()
    differences = []
    for ply, action in enumerate(actions):
        colour = COLOURS[state.get_current_player()]
        theirs = set(gnugo.says(f"all_legal {colour}").upper().split()) | {"PASS"}
        ours = {state.action_to_move(legal).upper() for legal in state.get_legal_actions()}
        found.positions += 1
        found.legal_moves += len(ours)
        if theirs != ours:
            differences.append(f"ply {ply}: {' '.join(sorted(theirs ^ ours))}")
        gnugo.says(f"play {colour} {state.action_to_move(action)}")
        state.apply_action(action)
    found.games += 1
    if state.is_terminal():
        dead = gnugo.says("final_status_list dead").split()
        found.with_dead_stones += bool(dead)
        if not dead:
            found.scores += 1
            theirs_score, ours_score = gnugo.says("final_score").split()[0], score(state)
            if theirs_score != ours_score:
                differences.append(f"score: {theirs_score} says GNU Go, {ours_score} we")
    found.differences += tuple(f"game {found.games}, {text}" for text in differences)


def score(state: GameState) -> str:
    """The final score as GNU Go writes it."""
    margin = state.final_margin(0)
    assert margin is not None
    return "0" if margin == 0 else f"{'BW'[margin < 0]}+{abs(margin):.1f}"


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("store", type=Path)
    found = Agreement()
    with ArenaStore(parser.parse_args().store) as store:
        for match in store.matches():
            game = games.from_spec(match.settings["game"])
            if game.name != "go":
                continue
            gnugo = GnuGo(game)
            try:
                for played in store.games(match.id).values():
                    compare(gnugo, [int(action) for action in played.actions], found)
            finally:
                gnugo.close()
    print(found)


if __name__ == "__main__":
    main()
