from typing import Any

import numpy as np
import numpy.typing as npt

def pool_cells(x: npt.NDArray[Any], out: npt.NDArray[np.float32]) -> None: ...
def add_bias(x: npt.NDArray[Any], bias: npt.NDArray[np.float32]) -> None: ...
