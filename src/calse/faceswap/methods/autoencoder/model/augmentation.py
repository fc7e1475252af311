"""What makes many training faces out of few: changes of colour and place, and a warp that the network must undo."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

MARGIN = 1.25  # training crops show this much more than a face, so that a moved one has no blank edge
TURN, ZOOM, SHIFT = math.radians(10), 0.05, 0.05  # limits; zoom and shift as shares of the crop
LIGHTNESS, TINT = 0.3, 0.08  # limits, as shares of the full range
GRID, WARP = 5, 5 / 256  # points a side; standard deviation of their shifts, as a share of the crop
LUMA = (0.299, 0.587, 0.114)
# Green to red and blue to yellow, as in L*a*b*: neither changes the luma.
OPPONENTS = ((0.587, -0.299, 0.0), (0.114, 0.114, -0.886))


def training_views(crops: Tensor, size: int, strength: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return what goes in and what shall come out for crops `N x C x S x S` in 0..1, the first three channels RGB.

    Comes out: all channels under one random colour change, turn, zoom, shift and flip, `N x C x size x size`. Goes in:
    the same RGB warped, `N x 3 x size x size`. `strength` scales all changes but flip and warp; 1 is the limits above.
    Every draw comes from the generator, on the CPU, so that all devices see the same; what follows from it is computed
    where the crops lie.
    """
    grid = moved_grid(crops, size, strength, generator)
    bent = grid + grid_shifts(crops, size, generator)
    crops = torch.cat([jitter(crops[:, :3], strength, generator), crops[:, 3:]], dim=1)
    target = F.grid_sample(crops, grid, padding_mode="border", align_corners=False)
    warped = F.grid_sample(crops[:, :3], bent, padding_mode="border", align_corners=False)
    return warped, target


def central_views(crops: Tensor, size: int) -> Tensor:
    """Return the crops without their margin, unchanged otherwise: `N x C x size x size`."""
    matrix = torch.eye(2, 3, device=crops.device).repeat(len(crops), 1, 1) / MARGIN
    grid = F.affine_grid(matrix, [len(crops), 1, size, size], align_corners=False)
    return F.grid_sample(crops, grid, padding_mode="border", align_corners=False)


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return numbers between -1 and 1."""
    return torch.rand(shape, generator=generator) * 2 - 1


def moved_grid(crops: Tensor, size: int, strength: float, generator: torch.Generator) -> Tensor:
    """Return where each pixel of a turned, zoomed, shifted, perhaps flipped view comes from, `N x size x size x 2`."""
    count = len(crops)
    turn, zoom, right, down = strength * uniform((4, count), generator)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    scale = (1 + ZOOM * zoom) / MARGIN
    cosine, sine = scale * torch.cos(TURN * turn), scale * torch.sin(TURN * turn)
    shift = 2 * SHIFT / MARGIN
    rows = [torch.stack([flip * cosine, -sine, shift * right], 1), torch.stack([flip * sine, cosine, shift * down], 1)]
    matrix = torch.stack(rows, 1).to(crops.device)
    return F.affine_grid(matrix, [count, 1, size, size], align_corners=False)


def grid_shifts(crops: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return smooth random shifts of each pixel, `N x size x size x 2`."""
    coarse = torch.randn((len(crops), 2, GRID, GRID), generator=generator) * (2 * WARP / MARGIN)
    fine = F.interpolate(coarse.to(crops.device), size=(size, size), mode="bicubic", align_corners=True)
    return fine.movedim(1, 3)


def jitter(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Return RGB images `N x 3 x S x S` in 0..1, each in another light and tint."""
    draws = strength * uniform((3, len(images), 1, 1, 1), generator)
    light, red, yellow = draws.to(images.device).unbind()
    luma = (images * images.new_tensor(LUMA).view(3, 1, 1)).sum(dim=1, keepdim=True)
    to_red, to_yellow = images.new_tensor(OPPONENTS).view(2, 3, 1, 1).unbind()
    return (images + LIGHTNESS * light * luma + TINT * (red * to_red + yellow * to_yellow)).clamp(0, 1)
