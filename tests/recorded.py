"""Replay of recorded games, ply by ply, through the public face of a game alone."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from games import Game, GameState

__all__ = ["json_lines", "replay"]


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a ``.jsonl`` or ``.jsonl.gz`` file."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def replay(game: Game, record: dict[str, Any]) -> GameState:
    """Play a trajectory, compare every ply with it, and return the last position."""
    state = game.initial_state()
    plies = zip(
        record["moves"].split(),
        record["to_move"],
        record["n_legal"],
        record["legal_crc"].split(),
        strict=True,
    )
    for ply, (move, player, n_legal, crc) in enumerate(plies):
        where = f"{record['id']} ply {ply} {move}"
        legal = sorted(state.action_to_move(a) for a in state.get_legal_actions())
        assert not state.is_terminal(), where
        assert state.returns() == [0.0, 0.0], where
        assert state.get_current_player() == int(player), where
        assert len(legal) == n_legal, where
        assert f"{zlib.crc32(' '.join(legal).encode()):08x}" == crc, where
        state.apply_action(state.move_to_action(move))
    assert state.is_terminal(), record["id"]
    assert state.get_legal_actions() == []
    assert state.returns() == record["returns"], record["id"]
    assert state.to_text().split()[0] == record["final"], record["id"]
    return state
