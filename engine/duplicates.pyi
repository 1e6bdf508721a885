import numpy as np
import numpy.typing as npt

def group_rows(
    packed: npt.NDArray[np.uint8], first: int, num: int
) -> npt.NDArray[np.int32]: ...
def order_by_group(
    groups: npt.NDArray[np.int32], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]: ...
