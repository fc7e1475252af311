"""How far a drawn face is from the true one: structure, colour and outline."""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 7  # pixels: the square over which structure is compared
COLOUR = 10.0  # squared errors of a blurred face are small beside its structure's
AROUND = 0.1  # what a pixel outside the face counts: little, but the drawing must not end at the outline


def face_loss(drawn: tuple[Tensor, Tensor], target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Return the loss of one person's batch, a scalar.

    `drawn` are faces `N x 3 x S x S` and masks `N x 1 x S x S`; `target` and `mask` what they should be, and
    `weights` `N x 1 x S x S` how much each pixel of the face counts. Structural dissimilarity plus squared error, both
    averaged with those weights, plus the squared error of the mask.
    """
    faces, masks = drawn
    weights = AROUND + (weights - AROUND) * mask
    error = dissimilarity(faces, target) + COLOUR * (faces - target) ** 2
    return (error.mean(dim=1, keepdim=True) * weights).sum() / weights.sum() + F.mse_loss(masks, mask)


def dissimilarity(one: Tensor, other: Tensor) -> Tensor:
    """Return (1 - SSIM) / 2 (Wang et al., 2004) around each pixel of images in 0..1, over square windows."""
    planes = torch.stack([one, other, one * one, other * other, one * other]).flatten(0, 1)
    # One side after the other is a third of the work; at an edge the mean is over what is there.
    means = mean_along(mean_along(planes, (1, WINDOW)), (WINDOW, 1))
    x, y, xx, yy, xy = means.view(5, *one.shape).unbind()
    c1, c2 = 0.01**2, 0.03**2
    ssim = (2 * x * y + c1) * (2 * (xy - x * y) + c2) / ((x * x + y * y + c1) * (xx + yy - x * x - y * y + c2))
    return (1 - ssim) / 2


def mean_along(planes: Tensor, window: tuple[int, int]) -> Tensor:
    """Return the mean of planes `N x 3 x S x S` over a window around each pixel."""
    edges = (window[0] // 2, window[1] // 2)
    return F.avg_pool2d(planes, window, stride=1, padding=edges, count_include_pad=False)
