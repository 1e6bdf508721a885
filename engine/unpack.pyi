from typing import Any

import numpy as np
import numpy.typing as npt

def unpack_nhwc(
    packed: npt.NDArray[np.uint8], num_planes: int, num_scalars: int, out: npt.NDArray[Any]
) -> None: ...
def unpack_nchw(
    packed: npt.NDArray[np.uint8], num_planes: int, num_scalars: int, out: npt.NDArray[Any]
) -> None: ...
