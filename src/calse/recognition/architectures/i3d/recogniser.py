"""I3D, the study's recogniser."""

from typing import TYPE_CHECKING

from calse.recognition.network import Network
from calse.recognition.settings import Model

if TYPE_CHECKING:
    from torch import nn


def build(model: Model, classes: int) -> "nn.Module":
    """Return I3D: clips N x 3 x T x S x S to logits N x K x T', one for every moment."""
    from calse.recognition.architectures.i3d.network import I3D

    return I3D(classes, model.width, model.dropout, model.bn_momentum, recompute=model.recompute)


RECOGNISER = Network(
    "i3d", build, head="logits", frames=9, over_time=True, widths=True, recomputes=True, batch_norm=True
)
