"""A batch in parts, on one process or several: each computes some of the parts, and all add all of them up in order.

So gradients, statistics and losses are the same however many processes share a training: on a CPU to the bit.
"""

from collections.abc import Callable, Sequence
from math import ceil

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from calse.runtime.errors import CalseError


class Parts:
    """The parts of a batch, of `size` clips each, and which of them this process computes: every one at its turn.

    Each part is normalised by itself, and its dropout has a seed of its own.
    """

    def __init__(self, model: nn.Module, size: int, momentum: float) -> None:
        """`momentum` is that of the network's batch normalisation."""
        self.size, self.momentum = size, momentum
        self.rank, self.ranks = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self.seeds = torch.Generator()
        self.weights = list(model.parameters())
        norms = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
        for norm in norms:
            norm.momentum = 1.0  # a layer then holds the statistics of its last part alone; add_up adds them up
        kept = [buffer for norm in norms for buffer in norm.buffers()]
        self.statistics = [buffer for buffer in kept if buffer.is_floating_point()]
        self.counts = [buffer for buffer in kept if not buffer.is_floating_point()]  # of batches
        self.lengths = [sum(tensor.numel() for tensor in part) for part in (self.weights, self.statistics)]

    def own(self, batch: Sequence[int]) -> list[int]:
        """Return the clips of a batch that this process needs."""
        return [clip for place, clip in enumerate(batch) if place // self.size % self.ranks == self.rank]

    def add_up(self, clips: int, compute: Callable[[int, int], Tensor]) -> Tensor:
        """Compute a batch of so many clips: leave gradients in the weights, statistics in the layers, return two sums.

        `compute(start, place)` does so for one part, which starts at `start` in the batch and at `place` among the
        clips that this process needs.
        """
        count = ceil(clips / self.size)
        seeds = torch.randint(2**62, (count,), generator=self.seeds).tolist()
        running = torch.cat([self.weights[0].new_zeros(0), *self.statistics]).double()
        counts = [counted + count for counted in self.counts]
        total = torch.zeros(0)
        for first in range(0, count, self.ranks):
            number, own = first + self.rank, torch.zeros(0)
            if number < count:
                torch.manual_seed(seeds[number])
                own = self._computed(compute, number * self.size, first // self.ranks * self.size)
            for sender in range(min(self.ranks, count - first)):
                part = self._sent(own, sender)
                total = total.add_(part) if len(total) else part.clone()
                statistics = torch.split(part, [*self.lengths, 2])[1].double()
                running = running * (1 - self.momentum) + statistics * self.momentum
        gradients, _, values = torch.split(total, [*self.lengths, 2])
        for weight, gradient in zip(self.weights, split_as(gradients, self.weights), strict=True):
            weight.grad = torch.empty_like(weight).copy_(gradient.view_as(weight))  # in its weight's order: Adam's
        for kept, value in zip(self.statistics, split_as(running, self.statistics), strict=True):  # kernel trusts it
            kept.copy_(value)
        for counted, value in zip(self.counts, counts, strict=True):
            counted.copy_(value)
        return values

    def _computed(self, compute: Callable[[int, int], Tensor], start: int, place: int) -> Tensor:
        """Return gradients, statistics and values of a part, one after the other."""
        for weight in self.weights:
            weight.grad = None
        values = compute(start, place)
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        return torch.cat([tensor.flatten() for tensor in (*gradients, *self.statistics, values)])

    def _sent(self, own: Tensor, sender: int) -> Tensor:
        """Return the part that a process has computed, sent to all. Raises CalseError when that process is gone."""
        if self.ranks == 1:
            return own
        part = own if sender == self.rank else self.weights[0].new_empty(sum(self.lengths) + 2)
        try:
            dist.broadcast(part, sender)
        except RuntimeError as error:
            raise CalseError("a process that shares this training died or does not answer") from error
        return part


def split_as(values: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Cut values that lie one after the other into parts as large as these tensors."""
    return torch.split(values, [tensor.numel() for tensor in tensors])
