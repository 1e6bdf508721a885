from engine.segment import Segment

def worker_loop(
    segment: Segment,
    worker: int,
    model: int,
    num_rounds: int,
    rows_per_round: int,
    *,
    rounds_in_flight: int = 1,
    spin_us: float = 0,
    timeout_s: float = 60,
) -> int: ...
def server_loop(
    segment: Segment, model: int, num_rows: int, *, spin_us: float = 0, timeout_s: float = 60
) -> int: ...
def bare_loop(
    segment: Segment, server: bool, num_rounds: int, asleep: bool = False, *, first: int = 0
) -> int: ...
