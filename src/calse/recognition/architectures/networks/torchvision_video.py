"""torchvision's networks for video, with this project's parameters under their published names."""

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import video  # type: ignore[import-untyped]


def from_torchvision(name: str, classes: int, dropout: float, head: str) -> nn.Module:
    """Return torchvision's network of that name, untrained: clips N x 3 x T x S x S to logits N x K."""
    builder = getattr(video, name)
    if name in ("s3d", "mvit_v2_s"):
        model: nn.Module = builder(num_classes=classes, dropout=dropout)
    else:
        model = builder(num_classes=classes)
        _drop_before(model.get_submodule(head), dropout)
    if name == "s3d":
        model.avgpool = SpaceAverage()
    return model


def _drop_before(head: nn.Module, dropout: float) -> None:
    """Drop features in front of a head; as a hook, because a layer more would rename the published weights."""
    head.register_forward_pre_hook(lambda layer, given: (F.dropout(given[0], dropout, layer.training),))


class SpaceAverage(nn.Module):
    """S3D's average over two moments and all of space: at 224 pixels the published 2 x 7 x 7, and right at any size."""

    def forward(self, x: Tensor) -> Tensor:
        """Average N x C x T x H x W to N x C x T-1 x 1 x 1."""
        return F.avg_pool3d(x.mean(dim=(3, 4), keepdim=True), (2, 1, 1), stride=1)
