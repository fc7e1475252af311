"""S3D of torchvision, for clips of any size."""

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import video  # type: ignore[import-untyped]


def s3d(classes: int, dropout: float) -> nn.Module:
    """Return S3D, untrained: clips N x 3 x T x S x S to logits N x K."""
    network: nn.Module = video.s3d(num_classes=classes, dropout=dropout)
    network.avgpool = SpaceAverage()
    return network


class SpaceAverage(nn.Module):
    """S3D's average over two moments and all of space: at 224 pixels the published 2 x 7 x 7, and right at any size."""

    def forward(self, x: Tensor) -> Tensor:
        """Average N x C x T x H x W to N x C x T-1 x 1 x 1."""
        return F.avg_pool3d(x.mean(dim=(3, 4), keepdim=True), (2, 1, 1), stride=1)
