"""I3D, Inception-v1 with its filters inflated to three dimensions (Carreira and Zisserman, 2017).

Names and shapes are those of the published Kinetics and WLASL checkpoints. Paddings are TensorFlow's
SAME, which is asymmetric where kernel and stride do not divide the input evenly.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from calse.runtime.errors import CalseError

Triple = tuple[int, int, int]

MIN_FRAMES = 9
# Channels of the branches b0, b1a, b1b, b2a, b2b, b3b.
INCEPTIONS = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
# oneDNN's bf16 weight gradients are wrong on some CPUs for padded convolutions over very few frames.
FEW_FRAMES = 4


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return (front, back) of TensorFlow's SAME padding for one axis."""
    total = max(kernel - (stride if size % stride == 0 else size % stride), 0)
    return total // 2, total - total // 2


def in_blocks(x: Tensor, block: Triple) -> Tensor:
    """Return voxels N x T x H x W x C with each block of b of them taken as one, N x b * C x T' x H' x W'."""
    split = [part for size, many in zip(x.shape[1:4], block, strict=True) for part in (size // many, many)]
    return x.reshape(len(x), *split, -1).permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4).movedim(-1, 1)


def last_first(pads: list[tuple[int, int]]) -> list[int]:
    """Return the (front, back) of each axis as `F.pad` takes them: the last axis first."""
    return [amount for pair in reversed(pads) for amount in pair]


class SameMaxPool(nn.Module):
    """Max pooling with SAME padding, of values that are not negative.

    Zero padding then equals minus infinity, and the surplus at the back equals an incomplete last window.
    """

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pool N x C x T x H x W."""
        front = [same_padding(*axis)[0] for axis in zip(x.shape[2:], self.kernel, self.stride, strict=True)]
        if x.device.type == "cuda":
            return self._pool_space_then_time(x, front)
        return F.max_pool3d(x, self.kernel, self.stride, front, ceil_mode=True)

    def _pool_space_then_time(self, x: Tensor, front: list[int]) -> Tensor:
        """Pool to the same maxima in two dimensions, where CUDA adds gradients up in a fixed order; in 3-D it does not.

        On an H100 it is 1.5 times as fast, too.
        """
        (time, *area), (step, *steps) = self.kernel, self.stride
        frames = F.max_pool2d(x.movedim(1, 2).flatten(0, 1), area, steps, front[1:], ceil_mode=True)
        x = torch.unflatten(frames, 0, (len(x), -1)).movedim(1, 2)
        if time == 1:
            return x
        rows = F.max_pool2d(x.flatten(3), (time, 1), (step, 1), (front[0], 0), ceil_mode=True)
        return torch.unflatten(rows, 3, x.shape[3:])


class Norm(nn.BatchNorm3d):
    """Batch normalisation of clips, or of clips taken as pictures."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Take both."""


class Unit(nn.Module):
    """SAME convolution, then batch normalisation and ReLU; the head (`norm=False`) has a bias instead of both."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, norm: bool = True, bn_momentum: float = 0.01
    ) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=not norm)
        self.bn = Norm(outputs, eps=1e-3, momentum=bn_momentum) if norm else None

    def convolve(self, x: Tensor) -> Tensor:
        """Convolve N x C x T x H x W."""
        kernel, stride = self.conv3d.kernel_size, self.conv3d.stride
        if kernel == (1, 1, 1):
            return self._mix_channels(x)
        if stride == (2, 2, 2) and x.device.type == "cuda":
            return self._convolve_blocks(x, (2, 2, 2))
        if stride == (2, 2, 2) and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            return self._convolve_blocks(x, (1, 1, 2))
        pads = [same_padding(*axis) for axis in zip(x.shape[2:], kernel, stride, strict=True)]
        # A convolution pads both ends alike; other axes are padded by hand, and time where it is short (see above).
        inside = [front if front == back else 0 for front, back in pads]
        if x.shape[2] <= FEW_FRAMES:
            inside[0] = 0
        outside = [(0, 0) if done else pair for pair, done in zip(pads, inside, strict=True)]
        if any(any(pair) for pair in outside):
            x = F.pad(x, last_first(outside))
        return F.conv3d(x, self.conv3d.weight, None, stride, tuple(inside))

    def _convolve_blocks(self, x: Tensor, block: Triple) -> Tensor:
        """Convolve with stride 2, the voxels of a block, 1 or 2 along each axis, taken as one with more channels.

        The same sums, of fewer and longer products, where channels are few: in bf16, pairs of pixels take half the time
        on a CPU, blocks of eight voxels a fifth on an H100.
        """
        kernel = self.conv3d.kernel_size
        taps = [length + length % many for length, many in zip(kernel, block, strict=True)]
        pads = []
        for size, length, wide in zip(x.shape[2:], kernel, taps, strict=True):
            front = same_padding(size, length, 2)[0]
            pads.append((front, 2 * (-(-size // 2) - 1) + wide - size - front))
        x = x.movedim(1, -1)
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))  # before it is padded, which copies it
        x = F.pad(x, [0, 0, *last_first(pads)])
        weight = F.pad(self.conv3d.weight, last_first([(0, w - k) for k, w in zip(kernel, taps, strict=True)]))
        weight = in_blocks(weight.movedim(1, -1), block)
        return F.conv3d(in_blocks(x, block), weight, None, tuple(2 // many for many in block))

    def _mix_channels(self, x: Tensor) -> Tensor:
        """Convolve by one voxel: as a matrix product over channels, which are last in memory."""
        return F.linear(x.movedim(1, -1), self.conv3d.weight.flatten(1), self.conv3d.bias).movedim(-1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve N x C x T x H x W, normalise and clip at zero."""
        x = self.convolve(x)
        if self.bn is None:
            return x
        if x.device.type != "cuda":
            return F.relu(self.bn(x), inplace=True)
        # As pictures: the same sums, and CUDA's fast kernels know no 3-D channels-last order.
        return torch.unflatten(F.relu(self.bn(x.flatten(2, 3)), inplace=True), 2, x.shape[2:4])


class Inception(nn.Module):
    """Four branches side by side, concatenated."""

    def __init__(self, inputs: int, channels: tuple[int, ...], bn_momentum: float) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = channels
        self.b0 = Unit(inputs, b0, 1, bn_momentum=bn_momentum)
        self.b1a = Unit(inputs, b1a, 1, bn_momentum=bn_momentum)
        self.b1b = Unit(b1a, b1b, 3, bn_momentum=bn_momentum)
        self.b2a = Unit(inputs, b2a, 1, bn_momentum=bn_momentum)
        self.b2b = Unit(b2a, b2b, 3, bn_momentum=bn_momentum)
        self.b3a = SameMaxPool((3, 3, 3), (1, 1, 1))
        self.b3b = Unit(inputs, b3b, 1, bn_momentum=bn_momentum)

    def forward(self, x: Tensor) -> Tensor:
        """Map N x C x T x H x W to as many frames and pixels with other channels."""
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], dim=1)


def recomputed(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a layer, keeping its input instead of what is inside it (Chen et al., 2016)."""
    result: Tensor = checkpoint(
        layer,
        x,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), statistics_kept(layer)),
    )
    return result


@contextmanager
def statistics_kept(layer: nn.Module) -> Iterator[None]:
    """Keep running statistics as they are: a batch that is computed twice counts once."""
    norms = [part for part in layer.modules() if isinstance(part, nn.BatchNorm3d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.sub_(1)


class I3D(nn.Module):
    """Clips N x 3 x T x H x W (T at least 9, values in [-1, 1]) to logits N x K x T'.

    T' is the number of frames after three halvings (rounded up), less one. Space is averaged whole, which
    at 193 to 224 pixels is the published 7 x 7 average. `width` scales every layer's channels. `recompute` forgets
    what is inside a layer and computes it again for the gradient, to the same bits: less memory, more time.
    """

    def __init__(
        self,
        num_classes: int,
        width: float = 1.0,
        dropout: float = 0.5,
        bn_momentum: float = 0.01,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.recompute = recompute

        def scaled(channels: int) -> int:
            """Return so many channels times the width."""
            return max(1, round(channels * width))

        self.Conv3d_1a_7x7 = Unit(3, scaled(64), 7, 2, bn_momentum=bn_momentum)
        self.MaxPool3d_2a_3x3 = SameMaxPool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = Unit(scaled(64), scaled(64), 1, bn_momentum=bn_momentum)
        self.Conv3d_2c_3x3 = Unit(scaled(64), scaled(192), 3, bn_momentum=bn_momentum)
        self.MaxPool3d_3a_3x3 = SameMaxPool((1, 3, 3), (1, 2, 2))
        inputs = scaled(192)
        for name, channels in INCEPTIONS.items():
            if name == "Mixed_4b":
                self.MaxPool3d_4a_3x3 = SameMaxPool((3, 3, 3), (2, 2, 2))
            if name == "Mixed_5b":
                self.MaxPool3d_5a_2x2 = SameMaxPool((2, 2, 2), (2, 2, 2))
            branches = tuple(map(scaled, channels))
            self.add_module(name, Inception(inputs, branches, bn_momentum))
            inputs = branches[0] + branches[2] + branches[4] + branches[5]
        self.dropout = nn.Dropout(dropout)
        self.logits = Unit(inputs, num_classes, 1, norm=False)

    def features(self, clips: Tensor) -> Tensor:
        """Return N x 1024 * width x T' features. Raises CalseError for clips of under 9 frames."""
        if clips.shape[2] < MIN_FRAMES:
            raise CalseError(f"I3D needs clips of at least {MIN_FRAMES} frames, not {clips.shape[2]}")
        for name, layer in self.named_children():
            if name not in ("dropout", "logits"):
                clips = recomputed(layer, clips) if self.recompute and torch.is_grad_enabled() else layer(clips)
        return F.avg_pool1d(clips.mean(dim=(3, 4)), kernel_size=2, stride=1)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits N x K x T'."""
        features = self.dropout(self.features(clips))
        logits: Tensor = self.logits(features[..., None, None])
        return logits[..., 0, 0]
