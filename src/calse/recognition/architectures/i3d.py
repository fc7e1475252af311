"""I3D, the study's recogniser."""

from typing import TYPE_CHECKING

from calse.config.sections import Train
from calse.recognition.registry import Recogniser

if TYPE_CHECKING:
    from torch import nn


def build(train: Train, classes: int) -> "nn.Module":
    """Return I3D: clips N x 3 x T x S x S to logits N x K x T', one for every moment."""
    from calse.recognition.architectures.networks.i3d import I3D

    return I3D(classes, train.width, train.dropout, train.bn_momentum, recompute=train.recompute)


RECOGNISER = Recogniser(
    "i3d", build, head="logits", frames=9, over_time=True, widths=True, recomputes=True, batch_norm=True
)
