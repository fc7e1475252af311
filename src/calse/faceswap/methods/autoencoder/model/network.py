"""The autoencoder: one encoder for everybody, one way out for each of two people.

After Phaze-A (deepfakes/faceswap): stride-2 5 x 5 convolutions, a dense code, a fully connected part for each
identity, and a decoder that upscales by sub-pixel convolution. What the code keeps of one face - pose and
expression - the other person's part turns into theirs.
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIGNER, DONOR = 0, 1
SLOPE = 0.1
WIDEST = 8  # times the first stage's channels


class SwapNetwork(nn.Module):
    """Faces in, the same expressions on the signer's or the donor's face out."""

    def __init__(self, size: int, channels: int, code: int) -> None:
        """Build for faces of `size` pixels (a multiple of 32), `channels` in the first stage and a code of `code`."""
        super().__init__()
        self.size = size
        stages = min(5, size.bit_length() - 3)
        widths = [channels * min(WIDEST, 2**stage) for stage in range(stages)]
        back = [*widths[::-1][1:], channels // 2]
        self.encoder = nn.Sequential(*(Down(a, b) for a, b in zip([3, *widths[:-1]], widths, strict=True)))
        smallest = (widths[-1], size >> stages, size >> stages)
        self.code = nn.Linear(math.prod(smallest), code)
        self.identities = nn.ModuleList(Identity(code, smallest, back[0]) for _ in (SIGNER, DONOR))
        self.decoder = nn.Sequential(*(Up(a, b) for a, b in itertools.pairwise(back)))
        self.head = nn.Conv2d(channels // 2, 4, 5, padding=2)
        self.apply(start)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, faces: Tensor) -> Tensor:
        """Return the codes `N x code` of faces `N x 3 x size x size` in 0..1."""
        return self.code(self.encoder(faces - 0.5).flatten(1))  # type: ignore[no-any-return]

    def decode(self, codes: Tensor, identity: int) -> tuple[Tensor, Tensor]:
        """Return faces `N x 3 x size x size` and masks `N x 1 x size x size`, both in 0..1, of one identity."""
        return self.draw(self.identities[identity](codes))

    def draw(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return faces and masks from what an identity made of the codes."""
        faces, masks = self.head(self.decoder(features)).float().sigmoid().tensor_split([3], dim=1)
        return faces, masks

    def forward(self, signer: Tensor, donor: Tensor) -> tuple[Tensor, Tensor]:
        """Return faces and masks of a training batch, signer's first: everybody as themselves."""
        codes = self.encode(torch.cat([signer, donor])).tensor_split([len(signer)])
        return self.draw(torch.cat([part(code) for part, code in zip(self.identities, codes, strict=True)]))


def start(module: nn.Module) -> None:
    """Give a layer weights that keep the signal's strength (He et al., 2015); PyTorch's own lose half of it a layer."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, SLOPE)
        nn.init.constant_(module.bias, 0)  # type: ignore[arg-type]


class Down(nn.Module):
    """Half the side: 5 x 5 convolution of stride 2."""

    def __init__(self, channels: int, wider: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, wider, 5, stride=2, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """`N x channels x S x S` to `N x wider x S/2 x S/2`."""
        return F.leaky_relu(self.conv(x), SLOPE)


class Identity(nn.Module):
    """One person's part: the code opened into a small picture of features, which is then upscaled once."""

    def __init__(self, code: int, shape: tuple[int, int, int], narrower: int) -> None:
        super().__init__()
        self.shape = shape
        self.dense = nn.Linear(code, math.prod(shape))
        self.up = Up(shape[0], narrower)

    def forward(self, code: Tensor) -> Tensor:
        """`N x code` to `N x narrower x 2S x 2S`."""
        return self.up(self.dense(code).unflatten(1, self.shape))  # type: ignore[no-any-return]


class Up(nn.Module):
    """Twice the side by sub-pixel convolution (Shi et al., 2016)."""

    def __init__(self, channels: int, narrower: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * narrower, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`N x channels x S x S` to `N x narrower x 2S x 2S`."""
        return F.leaky_relu(F.pixel_shuffle(self.conv(x), 2), SLOPE)
