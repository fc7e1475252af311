"""The swap training written plainly: fp32, one identity after the other, windows as squares, Adam tensor by tensor."""

import copy

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from calse.data.clips import stream_seed
from calse.faceswap.methods.autoencoder.model.augmentation import training_views
from calse.faceswap.methods.autoencoder.model.loss import AROUND, COLOUR, WINDOW
from calse.faceswap.methods.autoencoder.model.training import IDENTITIES, SwapTraining, learning_rate


class PlainSwap:
    """The network, data and draws of a SwapTraining that has not begun, trained without a trick."""

    def __init__(self, ours: SwapTraining) -> None:
        self.settings, self.faces, self.done = ours.settings, ours.faces, ours.done
        self.network = copy.deepcopy(ours.network)
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), lr=self.settings.lr, betas=(0.9, 0.999), eps=1e-7, foreach=False
        )

    def step(self) -> tuple[float, float]:
        """Train on one batch of each identity; return their losses."""
        self.done += 1
        pairs = [self._views(identity) for identity in IDENTITIES]
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, self.done - 1)
        self.optimiser.zero_grad()
        losses = [self._loss(identity, *pair) for identity, pair in zip(IDENTITIES, pairs, strict=True)]
        torch.autograd.backward(losses[0] + losses[1])
        self.optimiser.step()
        return losses[0].item(), losses[1].item()

    def _views(self, identity: int) -> tuple[Tensor, Tensor]:
        """Return what goes in and what shall come out for one identity."""
        seed = stream_seed(self.settings.seed, self.done, identity)
        faces = self.faces[identity]
        crops = faces.take(np.random.default_rng(seed).integers(len(faces), size=self.settings.batch))
        pixels = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
        generator = torch.Generator().manual_seed(seed)
        return training_views(pixels, self.settings.size, self.settings.augment, generator)

    def _loss(self, identity: int, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of one identity."""
        faces, masks = self.network.decode(self.network.encode(inputs), identity)
        truth, mask, weights = targets.tensor_split([3, 4], dim=1)
        weights = weights * max(1.0, self.settings.eyes_weight, self.settings.mouth_weight)
        weights = AROUND + (weights - AROUND) * mask
        error = (1 - similarity(faces, truth)) / 2 + COLOUR * (faces - truth) ** 2
        drawn: Tensor = (error.mean(dim=1, keepdim=True) * weights).sum() / weights.sum()
        return drawn + F.mse_loss(masks, mask)


def similarity(one: Tensor, other: Tensor) -> Tensor:
    """Return SSIM (Wang et al., 2004) around each pixel, from variances and a covariance over square windows."""
    x, y = mean(one), mean(other)
    spread_x, spread_y, both = mean(one * one) - x * x, mean(other * other) - y * y, mean(one * other) - x * y
    c1, c2 = 0.01**2, 0.03**2
    return (2 * x * y + c1) / (x * x + y * y + c1) * ((2 * both + c2) / (spread_x + spread_y + c2))


def mean(image: Tensor) -> Tensor:
    """Return the mean over the window around each pixel; at an edge over what is there."""
    return F.avg_pool2d(image, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)
