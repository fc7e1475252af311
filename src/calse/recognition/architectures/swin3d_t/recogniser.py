"""Video Swin of torchvision, with the input statistics that its published Kinetics weights were trained on."""

from typing import TYPE_CHECKING

from calse.recognition.network import Network, drop_before
from calse.recognition.settings import Model

if TYPE_CHECKING:
    from torch import nn


def build(model: Model, classes: int) -> "nn.Module":
    """Return Video Swin, tiny: clips N x 3 x T x S x S to logits N x K."""
    from torchvision.models import video  # type: ignore[import-untyped]

    network = video.swin3d_t(num_classes=classes)
    return drop_before(network, "head", model.dropout)


STATISTICS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
RECOGNISER = Network("swin3d_t", build, head="head", frames=9, statistics=STATISTICS)
