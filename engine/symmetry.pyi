import numpy as np
import numpy.typing as npt

from games.base import Game

class Canonical:
    game: Game
    num_symmetries: int
    def __new__(cls, game: Game, enabled: bool = True) -> Canonical: ...
    def hashes(self, packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]: ...
    def images(
        self, packed: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]: ...
