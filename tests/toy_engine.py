"""A small engine for tests: ``python toy_engine.py gtp|uci GAME [FAULT]``.

It plays the first legal move, until its third own move, when FAULT happens: hang, crash, babble,
endless (a line that never ends), illegal, nonsense, resign or error. ``mute`` says nothing from the
start, ``stubborn`` neither quits nor minds that its input is closed.
"""

import sys
import time

import games

FAULT_AT = 3


def say(text: str) -> None:
    print(text, flush=True)


class Toy:
    """The position, and what goes wrong."""

    def __init__(self, game: str, fault: str) -> None:
        self.game, self.fault = games.make(game), fault
        self.state, self.moves = self.game.initial_state(), 0

    def set(self, moves: list[str]) -> None:
        self.state = self.game.initial_state()
        for move in moves:
            self.play(move)

    def play(self, move: str) -> None:
        self.state.apply_action(self.state.move_to_action(move))

    def choose(self) -> str:
        self.moves += 1
        if self.moves % FAULT_AT == 0:
            if self.fault == "hang":
                time.sleep(3600)
            if self.fault == "crash":
                sys.exit(3)
            if self.fault == "babble":
                while True:
                    say("blah " * 20)
            if self.fault == "endless":
                while True:
                    sys.stdout.write("x" * 1000)
            if self.fault in ("illegal", "nonsense", "resign"):
                return {"illegal": "z99", "nonsense": "\x00 ?", "resign": "resign"}[self.fault]
        return self.state.action_to_move(self.state.get_legal_actions()[0])


def gtp(toy: Toy) -> None:
    for line in sys.stdin:
        name, *rest = line.split() or [""]
        answer = ""
        if name == "protocol_version":
            answer = "2"
        elif name == "list_commands":
            answer = "protocol_version\nlist_commands\nboardsize\nclear_board\nplay\ngenmove\nquit"
        elif name == "clear_board":
            toy.set([])
        elif name == "play":
            toy.play(rest[1])
        elif name == "genmove":
            answer = toy.choose()
            if toy.fault == "error" and toy.moves % FAULT_AT == 0:
                say("? I do not want to\n")
                continue
            if answer not in ("z99", "resign", "\x00 ?"):
                toy.play(answer)
        elif name == "quit" and toy.fault != "stubborn":
            say("=\n")
            return
        say(f"= {answer}\n")
    while toy.fault == "stubborn":
        time.sleep(3600)


def uci(toy: Toy) -> None:
    for line in sys.stdin:
        words = line.split()
        if words[0] == "uci":
            say("id name toy\noption name Level type spin default 1 min 0 max 9\nuciok")
        elif words[0] == "isready":
            say("readyok")
        elif words[0] == "position":
            toy.set(words[3:] if len(words) > 2 and words[2] == "moves" else [])
        elif words[0] == "go":
            say("info depth 1")
            say(f"bestmove {toy.choose()}")
        elif words[0] == "quit":
            return


if __name__ == "__main__":
    speech, game, *fault = sys.argv[1:]
    toy = Toy(game, fault[0] if fault else "")
    while toy.fault == "mute":
        time.sleep(3600)
    (gtp if speech == "gtp" else uci)(toy)
