"""What the end of a game says about its cells: whose they are, and which of them have won.

Stones are integers whose bit ``i`` is cell ``i``, row by row from the top left, as in
`games.stones`. A game calls these once after its end, so they need not be fast.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["shortest_links", "signed_cells", "stones_in_line", "transposed"]

HEX_STEPS = ((-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0))
LINE_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


def signed_cells(own: int, other: int, num_cells: int) -> npt.NDArray[np.int8]:
    """[num_cells] int8: 1 where `own` has a bit, -1 where `other` has one, 0 elsewhere."""
    size = (num_cells + 7) // 8
    packed = np.frombuffer(own.to_bytes(size, "little") + other.to_bytes(size, "little"), np.uint8)
    bits = np.unpackbits(packed.reshape(2, size), axis=1, count=num_cells, bitorder="little")
    signed: npt.NDArray[np.int8] = bits[0].astype(np.int8) - bits[1].astype(np.int8)
    return signed


def transposed(stones: int, size: int) -> int:
    """The stones of a square board, mirrored at the diagonal from the top left."""
    return sum(1 << cell % size * size + cell // size for cell in _cells(stones))


def stones_in_line(
    stones: int, rows: int, columns: int, length: int, *, exact: bool = False
) -> int:
    """The cells of all straight lines of at least `length` stones, or of exactly so many."""
    has = np.zeros((rows + 2, columns + 2), bool)  # an empty border ends every line
    has[1:-1, 1:-1] = signed_cells(stones, 0, rows * columns).reshape(rows, columns)
    found = 0
    for down, right in LINE_STEPS:
        for row, column in np.argwhere(has).tolist():
            if has[row - down, column - right]:
                continue  # not the first of its line
            line = []
            while has[row, column]:
                line.append((row - 1) * columns + column - 1)
                row, column = row + down, column + right
            if len(line) == length or (len(line) > length and not exact):
                found |= sum(1 << cell for cell in line)
    return found


def shortest_links(stones: int, size: int) -> int:
    """The cells of all shortest chains of stones between the top and the bottom of a Hex board;
    0 if they are not linked."""
    last = size * (size - 1)
    top = _distances(stones, size, (cell for cell in _cells(stones) if cell < size))
    bottom = _distances(stones, size, (cell for cell in _cells(stones) if cell >= last))
    through = {cell: top[cell] + bottom[cell] for cell in top.keys() & bottom.keys()}
    shortest = min(through.values(), default=0)
    return sum(1 << cell for cell, steps in through.items() if steps == shortest)


def _distances(stones: int, size: int, start: Iterable[int]) -> dict[int, int]:
    """Steps over `stones` from the nearest cell of `start`, for each stone that can be reached."""
    front = list(start)
    found = dict.fromkeys(front, 0)
    for cell in front:  # grows while it is walked: breadth first
        row, column = divmod(cell, size)
        for down, right in HEX_STEPS:
            near = (row + down) * size + column + right
            inside = 0 <= row + down < size and 0 <= column + right < size
            if inside and stones >> near & 1 and near not in found:
                found[near] = found[cell] + 1
                front.append(near)
    return found


def _cells(stones: int) -> Iterator[int]:
    return (cell for cell in range(stones.bit_length()) if stones >> cell & 1)
