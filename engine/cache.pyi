from engine.segment import Segment

class Cache:
    segment: Segment
    num_entries: int
    def __new__(cls, segment: Segment) -> Cache: ...
