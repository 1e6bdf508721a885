"""What makes a match the same match, and where its games are kept."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import games
from games.base import Game
from trainer.arena.players import Contestant

__all__ = ["default_store", "match_settings"]

ELSEWHERE = Path("runs") / "arena.db"


def match_settings(
    game: Game,
    players: Sequence[Contestant],
    num_games: int,
    opening_plies: int,
    seed: int,
    book: Sequence[Sequence[int]] | None = None,
) -> dict[str, Any]:
    """Everything that the games of a match depend on, as plain values."""
    found = {
        "game": games.spec(game),
        "players": [_described(player) for player in players],
        "games": num_games,
        "opening_plies": opening_plies,
        "seed": seed,
    }
    if book is not None:
        found["book"] = hashlib.sha256(json.dumps(list(book)).encode()).hexdigest()
    return found


def _described(player: Contestant) -> dict[str, Any]:
    weights = None
    if player.model is not None:
        weights = hashlib.sha256(player.model.read_bytes()).hexdigest()
    found = {
        "name": player.name,
        "kind": player.kind,
        "search": asdict(player.search),
        "weights": weights,
        "symmetric": player.symmetric,
        "compute": asdict(player.compute),
    }
    return found | {"seconds": player.seconds} if player.seconds else found


def default_store(players: Sequence[Contestant]) -> Path:
    """The database of the first player's run; a file beside the runs where nobody has one."""
    for player in players:
        if player.model is not None and len(player.model.parents) > 2:
            path = player.model.parents[2] / "run.db"
            if path.exists():
                return path
    return ELSEWHERE
