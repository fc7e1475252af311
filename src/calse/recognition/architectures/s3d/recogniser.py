"""S3D of torchvision, with the input statistics that its published Kinetics weights were trained on."""

from typing import TYPE_CHECKING

from calse.recognition.network import Network
from calse.recognition.settings import Model

if TYPE_CHECKING:
    from torch import nn


def build(model: Model, classes: int) -> "nn.Module":
    """Return S3D: clips N x 3 x T x S x S to logits N x K."""
    from calse.recognition.architectures.s3d.network import s3d

    return s3d(classes, model.dropout)


STATISTICS = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
RECOGNISER = Network("s3d", build, head="classifier", frames=13, batch_norm=True, statistics=STATISTICS)
