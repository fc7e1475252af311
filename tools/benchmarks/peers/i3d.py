"""The published I3D class and its training step, in fp32: padding worked out at run time, nothing in place.

Architecture: Carreira and Zisserman (2017), as trained by Li et al. (2020). One liberty: space is averaged
whole, which at 193 to 224 pixels is the published average and lets smaller clips in.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.material import CLASSES
from calse.recognition.architectures.i3d.network import INCEPTIONS
from calse.recognition.settings import NetworkSettings

Triple = tuple[int, int, int]


def pad_same(x: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """Pad N x C x T x H x W with zeros as TensorFlow's SAME does, the surplus behind."""
    amounts: list[int] = []
    for size, k, s in reversed(list(zip(x.shape[2:], kernel, stride, strict=True))):
        total = max(k - s, 0) if size % s == 0 else max(k - size % s, 0)
        amounts += [total // 2, total - total // 2]
    return F.pad(x, amounts)


class Unit(nn.Module):
    """Convolution over a padded copy, batch normalisation, ReLU into new memory."""

    def __init__(
        self, inputs: int, outputs: int, kernel: Triple, stride: Triple = (1, 1, 1), head: bool = False
    ) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=head)
        self.bn = None if head else nn.BatchNorm3d(outputs, eps=1e-3, momentum=0.01)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Map N x C x T x H x W."""
        x = self.conv3d(pad_same(x, self.kernel, self.stride))
        return x if self.bn is None else F.relu(self.bn(x))


class Pool(nn.Module):
    """Max pooling over a padded copy."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pool N x C x T x H x W."""
        return F.max_pool3d(pad_same(x, self.kernel, self.stride), self.kernel, self.stride)


class Inception(nn.Module):
    """Four branches, concatenated."""

    def __init__(self, inputs: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        one, three = (1, 1, 1), (3, 3, 3)
        b0, b1a, b1b, b2a, b2b, b3b = channels
        self.b0, self.b1a, self.b1b = Unit(inputs, b0, one), Unit(inputs, b1a, one), Unit(b1a, b1b, three)
        self.b2a, self.b2b = Unit(inputs, b2a, one), Unit(b2a, b2b, three)
        self.b3a, self.b3b = Pool(three, one), Unit(inputs, b3b, one)

    def forward(self, x: Tensor) -> Tensor:
        """Map N x C x T x H x W."""
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], dim=1)


class PublishedI3D(nn.Module):
    """Clips N x 3 x T x H x W to logits N x K x T', with the names of the published checkpoints."""

    def __init__(self, classes: int, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(1, round(channels * width))

        self.Conv3d_1a_7x7 = Unit(3, scaled(64), (7, 7, 7), (2, 2, 2))
        self.MaxPool3d_2a_3x3 = Pool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = Unit(scaled(64), scaled(64), (1, 1, 1))
        self.Conv3d_2c_3x3 = Unit(scaled(64), scaled(192), (3, 3, 3))
        self.MaxPool3d_3a_3x3 = Pool((1, 3, 3), (1, 2, 2))
        inputs = scaled(192)
        pools = {"Mixed_4b": Pool((3, 3, 3), (2, 2, 2)), "Mixed_5b": Pool((2, 2, 2), (2, 2, 2))}
        for name, channels in INCEPTIONS.items():
            if name in pools:
                self.add_module(f"before_{name}", pools[name])
            branches = tuple(map(scaled, channels))
            self.add_module(name, Inception(inputs, branches))
            inputs = branches[0] + branches[2] + branches[4] + branches[5]
        self.dropout = nn.Dropout(dropout)
        self.logits = Unit(inputs, classes, (1, 1, 1), head=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits N x K x T'."""
        for name, layer in self.named_children():
            if name == "dropout":
                x = F.avg_pool3d(F.adaptive_avg_pool3d(x, (x.shape[2], 1, 1)), (2, 1, 1), stride=1)
            x = layer(x)
        return x.squeeze(4).squeeze(3)


def published_loss(logits: Tensor, labels: Tensor, frames: int) -> Tensor:
    """Return the WLASL loss: every frame's binary cross-entropy and the clip's, half each, labels given per frame."""
    stretched = F.interpolate(logits, frames, mode="linear")
    truth = F.one_hot(labels, logits.shape[1]).float()[:, :, None].expand(-1, -1, frames)
    every_frame = F.binary_cross_entropy_with_logits(stretched, truth)
    clip = F.binary_cross_entropy_with_logits(stretched.max(dim=2)[0], truth.max(dim=2)[0])
    return 0.5 * every_frame + 0.5 * clip


class PlainStep:
    """A training step without any trick."""

    def __init__(self, model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], optimiser: Any) -> None:
        self.model, self.loss, self.optimiser = model.train(), loss, optimiser

    def __call__(self, clips: Tensor, labels: Tensor) -> float:
        """Train on clips N x 3 x T x S x S; return the loss."""
        self.optimiser.zero_grad()
        loss = self.loss(self.model(clips), labels)
        torch.autograd.backward(loss)
        self.optimiser.step()
        return float(loss.item())


def plain_step(settings: NetworkSettings) -> PlainStep:
    """Return the published network's step with the same loss and update rule, each as torch has them by default."""
    optim = settings.optim
    model = PublishedI3D(CLASSES, settings.model.width, settings.model.dropout)
    rule: Any = torch.optim.AdamW if optim.optimiser == "adamw" else torch.optim.Adam
    if optim.loss == "ce":
        smoothing = optim.label_smoothing

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(logits.mean(dim=2), labels, label_smoothing=smoothing)
    else:
        loss = partial(published_loss, frames=settings.input.frames)
    return PlainStep(model, loss, rule(model.parameters(), lr=optim.lr, weight_decay=optim.weight_decay))
