"""The recognisers behind one door: train.model to a network. All but I3D are torchvision's own."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from calse.config.params import Train
from calse.recognition.architectures.i3d import I3D

# The layer that answers, whose shape follows the number of glosses.
HEADS = {"i3d": "logits", "r2plus1d_18": "fc", "s3d": "classifier", "mvit_v2_s": "head", "swin3d_t": "head"}


def build_model(train: Train, classes: int) -> nn.Module:
    """Return `train.model`, untrained: clips N x 3 x T x S x S to logits N x K x T' (I3D) or N x K (the others)."""
    if train.model == "i3d":
        return I3D(classes, train.width, train.dropout, train.bn_momentum, recompute=train.recompute)
    model = _from_torchvision(train, classes)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm3d):
            layer.momentum = train.bn_momentum
    return model


def _from_torchvision(train: Train, classes: int) -> nn.Module:
    from torchvision.models import video  # type: ignore[import-untyped]

    builder = getattr(video, train.model)
    if train.model in ("s3d", "mvit_v2_s"):
        model: nn.Module = builder(num_classes=classes, dropout=train.dropout)
    else:
        model = builder(num_classes=classes)
        _drop_before(model.get_submodule(HEADS[train.model]), train.dropout)
    if train.model == "s3d":
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


def placed(model: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, with channels last in memory: 1.2 times faster convolutions."""
    return model.to(device=device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]
