"""Where handicap stones of Go lie.

Farnebäck, "Specification of the Go Text Protocol" (2002), section 4.
"""

__all__ = ["fixed_points", "most_fixed"]

LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"


def most_fixed(size: int) -> int:
    """How many stones have a fixed place on a board of that size; 0: none."""
    if size < 7:
        return 0
    return 9 if size % 2 and size >= 9 else 4


def fixed_points(size: int, stones: int) -> list[str]:
    """The places of 2 to `most_fixed(size)` stones.

    Raises
    ------
    ValueError
        For another number of stones.
    """
    most = most_fixed(size)
    if not 2 <= stones <= most:
        limits = f"2 to {most}" if most else "none"
        raise ValueError(f"{size}x{size} has fixed places for {limits} handicap stones")
    low = 4 if size >= 13 else 3
    high, middle = size + 1 - low, (size + 1) // 2
    corners = [(low, low), (high, high), (low, high), (high, low)]
    sides = [(low, middle), (high, middle), (middle, low), (middle, high)]
    # An odd stone beyond the fourth lies in the middle.
    even = stones if stones < 5 else stones - stones % 2
    places = [*corners, *sides][:even] + [(middle, middle)] * (stones - even)
    return [f"{LETTERS[column - 1]}{row}" for column, row in places]
