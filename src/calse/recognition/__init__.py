"""Clips to predictions: the I3D network, its training and its evaluation."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calse.recognition.i3d import I3D

__all__ = ["I3D"]


def __getattr__(name: str) -> object:
    """Import torch only when the network itself is asked for: the commands and the training's parent need none."""
    if name == "I3D":
        from calse.recognition.i3d import I3D

        return I3D
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
