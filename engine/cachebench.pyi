from typing import NamedTuple

from engine.segment import Segment

__all__ = ["Duel", "cache_duel", "cache_loop"]

class Duel(NamedTuple):
    elapsed_ns: int
    lookups: int
    hits: int
    torn: int
    wrong: int

def cache_loop(segment: Segment, what: str, count: int, owner: int = 0) -> tuple[int, int]: ...
def cache_duel(
    segment: Segment, owner: int, count: int, num_places: int, store_every: int = 4
) -> Duel: ...
