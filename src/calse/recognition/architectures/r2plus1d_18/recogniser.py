"""R(2+1)D of torchvision, with the input statistics that its published Kinetics weights were trained on."""

from typing import TYPE_CHECKING

from calse.recognition.network import Network, drop_before
from calse.recognition.settings import Model

if TYPE_CHECKING:
    from torch import nn


def build(model: Model, classes: int) -> "nn.Module":
    """Return R(2+1)D of 18 layers: clips N x 3 x T x S x S to logits N x K."""
    from torchvision.models import video  # type: ignore[import-untyped]

    network = video.r2plus1d_18(num_classes=classes)
    return drop_before(network, "fc", model.dropout)


STATISTICS = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
RECOGNISER = Network("r2plus1d_18", build, head="fc", frames=9, batch_norm=True, statistics=STATISTICS)
