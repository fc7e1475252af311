"""The optimiser and its learning rate."""

import math

import torch
from torch import nn

from calse.params import Train

WARM_UP = 0.3  # share of a one-cycle training; its ends are 1/25 of the peak and 1/10,000 of the start


def make_optimiser(model: nn.Module, train: Train) -> torch.optim.Optimizer:
    """Return Adam (weight decay as an L2 term) or AdamW, in one fused kernel."""
    kind = torch.optim.AdamW if train.optimiser == "adamw" else torch.optim.Adam
    return kind(model.parameters(), lr=train.lr, weight_decay=train.weight_decay, fused=True)


def learning_rate(train: Train, step: int, steps: int) -> float:
    """Return the learning rate of a step, counted from 0, out of `steps`.

    `one-cycle` rises to `train.lr` and falls to almost nothing, both along a cosine (Smith and Topin, 2018).
    """
    if train.schedule == "constant":
        return train.lr
    start, end, peak = train.lr / 25, train.lr / 250_000, WARM_UP * steps - 1
    if step <= peak:
        return _cosine(start, train.lr, step / peak)
    return _cosine(train.lr, end, (step - peak) / (steps - 1 - peak))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
