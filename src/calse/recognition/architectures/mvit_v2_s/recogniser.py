"""MViT of torchvision, with the input statistics that its published Kinetics weights were trained on."""

from typing import TYPE_CHECKING

from calse.recognition.network import Network
from calse.recognition.settings import Model

if TYPE_CHECKING:
    from torch import nn


def build(model: Model, classes: int) -> "nn.Module":
    """Return MViT v2, small: clips N x 3 x 16 x 224 x 224 to logits N x K."""
    from torchvision.models import video  # type: ignore[import-untyped]

    network: nn.Module = video.mvit_v2_s(num_classes=classes, dropout=model.dropout)
    return network


STATISTICS = ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
RECOGNISER = Network("mvit_v2_s", build, head="head", shape=(16, 224), statistics=STATISTICS)
