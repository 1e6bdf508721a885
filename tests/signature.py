"""The fixed deterministic search: its signature and its golden trees.

    python tests/signature.py            prints the signature, for the commit's last line
    python tests/signature.py --write    writes it, and the golden trees, to tests/data/

The signature covers every tree's shape and visits, not its floats: they may differ in the last
bit from one C library to another.
"""

import json
import sys
import zlib
from pathlib import Path
from typing import Any

from reference_search import HashEvaluator

import games
from engine.config import SearchConfig
from engine.local import LocalRollout, LocalUniform
from engine.search import Search

DATA = Path(__file__).resolve().parent / "data"
GOLDEN = {
    "tictactoe": {"num_simulations": 60, "seed": 7},
    "connect4": {"num_simulations": 80, "seed": None},
}


def golden_tree(name: str) -> list[dict[str, Any]]:
    """The tree of the first position under `HashEvaluator`."""
    options = GOLDEN[name]
    search = Search(games.make(name), SearchConfig())
    search.run(HashEvaluator(), options["num_simulations"], seed=options["seed"])
    return search.dump()


def edge_shape(edge: dict[str, Any]) -> tuple[int, int, int]:
    return edge["action"], edge["visits"], edge["child"]


def signature() -> int:
    """Of several searches of several moves each; changes when the search does."""
    crc = 0
    for name in ("connect4", "tictactoe"):
        game = games.make(name)
        for leaves, evaluator in (
            (1, LocalUniform()),
            (1, LocalRollout(game, 3)),
            (1, HashEvaluator()),
            (4, HashEvaluator()),
        ):
            search = Search(game, SearchConfig(num_simulations=400, leaves_in_flight=leaves))
            for ply in range(5):
                search.run(evaluator, seed=ply if ply % 2 else None)
                shape = [
                    (n["player"], n["status"], *map(edge_shape, n["edges"])) for n in search.dump()
                ]
                crc = zlib.crc32(repr(shape).encode(), crc)
                search.play(search.candidates()[0]["action"])
    return crc


def main() -> None:
    if "--write" in sys.argv:
        for name in GOLDEN:
            tree = {
                "origin": f"python tests/signature.py --write: {name}, {GOLDEN[name]}",
                "nodes": golden_tree(name),
            }
            text = json.dumps(tree, separators=(",", ":")).replace('{"player"', '\n{"player"')
            (DATA / f"golden_tree_{name}.json").write_text(text + "\n")
        (DATA / "signature.txt").write_text(f"{signature()}\n")
    print(f"Signature: {signature()}")


if __name__ == "__main__":
    main()
