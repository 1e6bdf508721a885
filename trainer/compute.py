"""What networks run on, as a person chooses it: device, back end, precision."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.backends.spec import EvaluatorSpec

__all__ = ["BACKENDS", "DEVICES", "PRECISIONS", "Compute"]

DEVICES = r"auto|(cpu|cuda(:\d+)?)(,(cpu|cuda(:\d+)?))*"
BACKENDS = ("auto", "openvino", "torch")
PRECISIONS = ("auto", "fp32", "bf16", "int8", "fp16", "tf32")


@dataclass(frozen=True, slots=True)
class Compute:
    """What networks run on; see `engine.backends.spec.EvaluatorSpec` for the values."""

    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    fixed_shape: bool = False

    def evaluator(self, path: str, *, symmetric: bool = False) -> "EvaluatorSpec":
        """The evaluator of the model file `path`.

        Raises
        ------
        ConfigError
            If there is no such device.
        """
        from engine.backends.devices import choose_device  # imports torch
        from engine.backends.spec import EvaluatorSpec

        choose_device(self.device)  # told here, not by a process that dies of it
        return EvaluatorSpec(path=path, **asdict(self), symmetric=symmetric)
