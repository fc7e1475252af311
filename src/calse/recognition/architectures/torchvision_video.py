"""torchvision's recognisers, with the input statistics that their published Kinetics weights were trained on."""

from typing import TYPE_CHECKING

from calse.config.sections import Train
from calse.recognition.registry import Recogniser, find_recogniser

if TYPE_CHECKING:
    from torch import nn


def build(train: Train, classes: int) -> "nn.Module":
    """Return torchvision's network of the name `train.model`."""
    from calse.recognition.architectures.networks.torchvision_video import from_torchvision

    return from_torchvision(train.model, classes, train.dropout, find_recogniser(train.model).head)


KINETICS = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
EVEN = ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))

R2PLUS1D_18 = Recogniser("r2plus1d_18", build, head="fc", frames=9, batch_norm=True, statistics=KINETICS)
S3D = Recogniser("s3d", build, head="classifier", frames=13, batch_norm=True, statistics=KINETICS)
MVIT_V2_S = Recogniser("mvit_v2_s", build, head="head", shape=(16, 224), statistics=EVEN)
SWIN3D_T = Recogniser("swin3d_t", build, head="head", frames=9, statistics=IMAGENET)
