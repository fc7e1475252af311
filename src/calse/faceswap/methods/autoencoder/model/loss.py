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
    window = window_mean(one.shape[-1], one)
    y = window @ other @ window.T
    planes = torch.stack([one, one * one + other * other, one * other])
    x, squares, xy = (window @ planes @ window.T).unbind()
    c1, c2 = 0.01**2, 0.03**2
    product, power = x * y, x * x + y * y
    ssim = (2 * product + c1) * (2 * (xy - product) + c2) / ((power + c1) * (squares - power + c2))
    return (1 - ssim) / 2


def window_mean(size: int, like: Tensor) -> Tensor:
    """Return the matrix `size x size` that takes the mean around each of `size` pixels; at an edge of what is there.

    As a product from both sides it costs a tenth of pooling, forward and back.
    """
    place = torch.arange(size, device=like.device)
    near = ((place[:, None] - place).abs() <= WINDOW // 2).to(like)
    return near / near.sum(dim=1, keepdim=True)
