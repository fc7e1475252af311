"""The optimiser and its learning rate."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from calse.recognition.settings import Optim, Schedule

BETAS, EPSILON = (0.9, 0.999), 1e-8
WARM_UP = {"constant": 0.0, "one-cycle": 0.3}  # share of the steps


class Adam:
    """Adam (Kingma and Ba, 2015; weight decay as an L2 term) or AdamW, on torch's fused kernels.

    The arithmetic of `torch.optim`, without its import of torch's compiler: four seconds at the start of
    every training.
    """

    def __init__(self, weights: Iterable[Tensor], optim: Optim) -> None:
        self.weights = list(weights)
        self.kernel = torch._fused_adamw_ if optim.optimiser == "adamw" else torch._fused_adam_
        self.weight_decay = optim.weight_decay
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]
        self.steps = [torch.zeros((), device=weight.device) for weight in self.weights]

    def clear(self) -> None:
        """Forget the gradients."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the weights by their gradients at this learning rate."""
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        torch._foreach_add_(self.steps, 1)
        self.kernel(
            self.weights,
            gradients,
            self.means,
            self.squares,
            [],
            self.steps,
            lr=rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> dict[str, list[Tensor]]:
        """Return what `restore` needs."""
        return {"means": self.means, "squares": self.squares, "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a kept state."""
        for name, kept in state.items():
            for tensor, value in zip(getattr(self, name), kept, strict=True):
                tensor.copy_(value)


def learning_rate(lr: float, schedule: Schedule, step: int, steps: int) -> float:
    """Return the learning rate of a step, counted from 0, out of `steps`.

    `one-cycle` rises from 1/25 of `lr` and falls to almost nothing, both along a cosine (Smith and Topin, 2018);
    `constant` rises along a line (Goyal et al., 2017).
    """
    warmup = (WARM_UP[schedule.kind] if schedule.warmup is None else schedule.warmup) * steps
    if schedule.kind == "constant":
        return lr * min(1, (step + 1) / warmup) if warmup else lr
    start, end, peak = lr / 25, lr / 250_000, warmup - 1
    if step <= peak and peak:
        return _cosine(start, lr, step / peak)
    return _cosine(lr, end, (step - peak) / (steps - 1 - peak))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
