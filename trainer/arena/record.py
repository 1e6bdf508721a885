"""Games as other programs read them: PGN for chess, SGF for boards of stones, else plain text.

References
----------
Edwards, "Portable Game Notation Specification" (1994), with moves in SAN. Müller et al., SGF FF[4]
(red-bean.com/sgf): GM[1] Go, GM[2] Othello, GM[4] Gomoku, GM[11] Hex.
"""

import datetime
import textwrap
from collections.abc import Sequence

from games.base import Game
from games.chess import ChessState
from trainer.arena.store import Played

__all__ = ["EXTENSIONS", "as_pgn", "as_sgf", "as_text", "native_format"]

GM = {"go": 1, "othello": 2, "gomoku": 4, "hex": 11}
EXTENSIONS = {"pgn": ".pgn", "sgf": ".sgf", "text": ".txt"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def native_format(game: Game) -> str:
    """The format in which programs of that game expect it."""
    return "pgn" if game.name == "chess" else "sgf" if game.name in GM else "text"


def _result(played: Played) -> str:
    if played.ending == "cut off":
        return "*"
    return {1.0: "1-0", -1.0: "0-1", 0.0: "1/2-1/2"}.get(played.result, "*")


def as_pgn(game: Game, played: Played, players: Sequence[str], when: float) -> str:
    """A game of chess; `players` in the order of the match, `when` in seconds since the epoch."""
    white, black = players if played.number % 2 == 0 else players[::-1]
    date = datetime.datetime.fromtimestamp(when, datetime.UTC).strftime("%Y.%m.%d")
    tags = [
        ("Event", "ringzero arena"), ("Site", "?"), ("Date", date),
        ("Round", str(played.number + 1)), ("White", white), ("Black", black),
        ("Result", _result(played)), ("PlyCount", str(len(played.actions))),
        ("Termination", played.ending),
    ]  # fmt: skip
    state, words = game.initial_state(), list[str]()
    if game.options.get("chess960"):
        tags += [("Variant", "Chess960"), ("SetUp", "1"), ("FEN", state.to_text())]
    for ply, action in enumerate(played.actions):
        if ply % 2 == 0:
            words.append(f"{ply // 2 + 1}.")
        assert isinstance(state, ChessState)
        words.append(state.san(action))
        state.apply_action(action)
        if ply + 1 == played.opening:
            words.append("{ end of the opening }")
    if played.detail:
        words.append("{ " + played.detail.replace("}", ")") + " }")
    words.append(_result(played))
    head = "\n".join(f'[{name} "{_quoted(value)}"]' for name, value in tags)
    return head + "\n\n" + textwrap.fill(" ".join(words), 79) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def as_sgf(game: Game, played: Played, players: Sequence[str], when: float) -> str:
    """A game of Go, Hex, Gomoku or Othello; the player who moves first is black."""
    black, white = players if played.number % 2 == 0 else players[::-1]
    date = datetime.datetime.fromtimestamp(when, datetime.UTC).strftime("%Y-%m-%d")
    state = game.initial_state()
    nodes = []
    for action in played.actions:
        colour = "BW"[state.get_current_player()]
        nodes.append(f";{colour}[{_point(game, state.action_to_move(action), action)}]")
        state.apply_action(action)
    if played.detail:
        nodes[-1:] = [(nodes[-1] if nodes else ";") + f"C[{_escaped(played.detail)}]"]
    margin = state.final_margin(0) if played.ending == "rules" else None
    sign = "0" if played.result == 0 else "B+" if played.result > 0 else "W+"
    if sign != "0":
        sign += {"rules": f"{abs(margin):g}" if margin else "", "resigned": "R",
                 "time": "T"}.get(played.ending, "F")  # fmt: skip
    rows, columns = game.board_shape
    size = str(rows) if rows == columns else f"{columns}:{rows}"
    extra = f"KM[{game.options['komi']:g}]RU[Tromp-Taylor]" if game.name == "go" else ""
    return (
        f"(;FF[4]GM[{GM[game.name]}]CA[UTF-8]AP[ringzero]SZ[{size}]{extra}"
        f"PB[{_escaped(black)}]PW[{_escaped(white)}]RO[{played.number + 1}]DT[{date}]RE[{sign}]"
        + "".join(nodes) + ")\n"
    )  # fmt: skip


def _point(game: Game, move: str, action: int) -> str:
    if game.name not in ("go", "gomoku"):  # they write points as people do, d3
        return move
    if action >= game.rows * game.columns:
        return ""  # a pass
    row, column = divmod(action, game.columns)
    return LETTERS[column] + LETTERS[row]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("]", "\\]").replace(":", "\\:")


def as_text(game: Game, played: Played, players: Sequence[str], when: float) -> str:
    """A game of any kind: a line of what is known of it, and one of its moves."""
    first, second = players if played.number % 2 == 0 else players[::-1]
    state, moves = game.initial_state(), []
    for action in played.actions:
        moves.append(state.action_to_move(action))
        state.apply_action(action)
    head = f"# game {played.number + 1}: {first} - {second} {_result(played)} ({played.ending})"
    if played.detail:
        head += f": {played.detail}"
    return head + "\n" + " ".join(moves) + "\n"
