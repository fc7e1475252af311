"""One training, from seed to checkpoint. Its random numbers depend on seed, epoch and clip alone.

Equal jobs give equal bytes on one kind of processor; on a GPU not those of S3D, whose 3-D pools add up in no order.
"""

import itertools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from torch import Tensor

from calse.data.clips import stream_seed
from calse.data.manifests import write_rows
from calse.recognition.checkpoint import save_checkpoint
from calse.recognition.input.resident import Resident
from calse.recognition.input.transforms import network_input, placed, sent
from calse.recognition.input.views import Batch, batch_of
from calse.recognition.network import find_network
from calse.recognition.pretrained import load_pretrained
from calse.recognition.settings import Input, Optim
from calse.recognition.training.jobs import Job
from calse.recognition.training.losses import clip_scores, training_loss
from calse.recognition.training.optimiser import Adam, learning_rate
from calse.recognition.training.parts import Parts
from calse.recognition.training.precision import choose_precision
from calse.runtime.device import choose_device
from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_file
from calse.runtime.prefetch import prefetched

Tell = Callable[..., None]


def fit(job: Job, tell: Tell) -> None:
    """Train one run and write its checkpoint and curve, resuming where an interrupted training stopped.

    `tell` is called with `started` and what is known of the run, then with `epoch`, its number and its metrics, then
    with `finished`. One that was trained to its end is not trained again: then it is called with `taken` alone.
    Of several processes that share a training the first one writes.
    Raises CalseError when the loss or a gradient is not finite, or memory does not suffice.
    """
    torch.set_num_threads(job.settings.threads)
    training = Training(job)
    training.restore()
    trained_before = training.done
    if not trained_before:
        tell("started", training.info)
        for epoch, metrics in enumerate(training.history, start=1):
            tell("epoch", epoch, metrics)
    while not training.done:
        training.run_epoch(len(training.history) + 1)
        if training.first:
            training.save()
        tell("epoch", len(training.history), training.history[-1])
    if not training.first:
        return
    save_checkpoint(job.checkpoint, training.model, training.info)
    rows = [{"epoch": number} | metrics for number, metrics in enumerate(training.history, start=1)]
    write_rows(job.curve, ["epoch", "loss", "accuracy", "lr"], rows)
    tell("taken" if trained_before else "finished")


class Training:
    """The network, its optimiser and what each epoch gave."""

    def __init__(self, job: Job) -> None:
        self.job, self.steps = job, int(job.info["steps"])
        self.network = find_network(job.run.recogniser)
        self.input: Input = job.settings.input
        self.optim: Optim = job.settings.optim
        self.device = choose_device()
        torch.manual_seed(stream_seed(self.train_seed, 0))  # epoch 0 is the network's start
        model = self.network.built(job.settings.model, job.classes)
        start = job.settings.model.pretrained
        loaded = load_pretrained(model, Path(start), self.network.head) if start else None
        self.model = placed(model, self.device)
        self.optimiser = Adam(self.model.parameters(), self.optim)
        micro_batch = self.optim.micro_batch
        self.parts = Parts(self.model, micro_batch, job.settings.model.bn_momentum) if micro_batch else None
        frames, size = self.input.frames, self.input.size
        known = job.states.parent.with_name("precision") / job.states.name.rpartition("-")[2]  # the hash of this code
        self.precision = choose_precision(self.optim.precision, self.model, frames, size, self.device, known)
        self.clips = Resident(self.device)
        shape = (2, self.optim.batch, frames, size, size, 3)  # one batch is trained on, one is filled
        self._buffers = itertools.cycle(np.empty(shape, np.uint8))
        self.history: list[dict[str, float]] = []
        self.info: dict[str, Any] = job.info | {
            "device": self.device.type,
            "precision": self.precision.name,
            "precision_reason": self.precision.reason,
            "pretrained_report": str(loaded) if loaded else "",
        }
        self.state = job.states / f"{self.device.type}-{self.precision.name}.pt"

    @property
    def done(self) -> bool:
        """Whether every epoch is over."""
        return len(self.history) == self.job.epochs

    @property
    def first(self) -> bool:
        """Whether this is the first of the processes that share the training, or the only one."""
        return self.parts is None or self.parts.rank == 0

    @property
    def train_seed(self) -> int:
        """The seed of this run."""
        return self.job.run.seed

    def run_epoch(self, epoch: int) -> None:
        """Train on every clip once, up to the last step, and add loss, accuracy and learning rate to the history."""
        torch.manual_seed(stream_seed(self.train_seed, epoch))
        if self.parts:
            self.parts.seeds.manual_seed(stream_seed(self.train_seed, epoch))
        self.model.train()
        order = np.random.default_rng(stream_seed(self.train_seed, epoch)).permutation(len(self.job.inputs))
        parts = [order[start : start + self.optim.batch] for start in range(0, len(order), self.optim.batch)]
        done, totals = (epoch - 1) * len(parts), torch.zeros(3, dtype=torch.float64, device=self.device)
        parts = parts[: self.steps - done]
        # One batch is trained on while the next is filled: `_buffers` holds no more.
        batches = prefetched((self._batch(epoch, part.tolist()) for part in parts), 1)
        for number, (part, batch) in enumerate(zip(parts, batches, strict=True)):
            rate = learning_rate(self.optim.lr, self.job.settings.schedule, done + number, self.steps)
            labels = sent(np.array([self.job.labels[clip] for clip in part]), self.device)
            totals += self._step(batch, labels, rate)
        loss, hits, norms = totals.tolist()  # the one moment of an epoch in which the device is waited for
        self._check_finite(loss + norms, epoch)
        self.clips.may_stay = True
        count = sum(len(part) for part in parts)
        means = {"loss": round(loss / count, 6), "accuracy": round(hits / count, 6)}
        self.history.append(means | {"lr": float(f"{rate:.6g}")})

    def _batch(self, epoch: int, part: list[int]) -> Batch:
        """Cut the views of some clips out, into the next buffer."""
        if self.parts:
            part = self.parts.own(part) or part[:1]  # there may be fewer parts than processes
        clips = (self.clips.open(self.job.inputs[clip]) for clip in part)
        rngs = [np.random.default_rng([stream_seed(self.train_seed, epoch), clip]) for clip in part]
        return batch_of(clips, self.input, rngs, next(self._buffers))

    def _step(self, batch: Batch, labels: Tensor, rate: float) -> Tensor:
        """Take one optimiser step; return the sum of the clips' losses, how many rank first, the gradient's norm."""
        self.optimiser.clear()
        if self.parts:
            size = self.parts.size
            loss, hits = self.parts.add_up(
                len(labels),
                lambda start, place: self._backward(batch.part(place, size), labels[start : start + size], len(labels)),
            )
        else:
            loss, hits = self._backward(batch, labels, len(labels))
        gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.optim.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), self.optim.clip_norm, norm)
        self.optimiser.step(rate)
        return torch.stack([loss * len(labels), hits, norm])

    def _backward(self, batch: Batch, labels: Tensor, clips: int) -> Tensor:
        """Leave the gradients of clips of a batch of so many; return their share of its loss, how many rank first."""
        loss, scores = self._forward(batch, labels)
        loss = loss * (len(labels) / clips)
        torch.autograd.backward(loss)
        return torch.stack([loss.detach(), (scores.argmax(dim=1) == labels).sum().to(loss.dtype)])

    def _forward(self, batch: Batch, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss of a batch and the clips' scores."""
        clips = network_input(batch, self.input, self.network.statistics, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision.name == "bf16"):
            logits = self.model(clips)
        self._check_shape(tuple(logits.shape), len(labels))
        kind = self.optim.loss
        loss = training_loss(logits, labels, kind, self.input.frames, self.optim.label_smoothing)
        return loss, clip_scores(logits.detach(), kind)

    def _check_shape(self, shape: tuple[int, ...], clips: int) -> None:
        """Raise CalseError when the network's logits have another shape than its declaration says."""
        over_time = self.network.over_time
        if shape[:2] != (clips, self.job.classes) or len(shape) != 2 + over_time:
            wanted = f"clips x glosses{' x moments' if over_time else ''}"
            sizes = f"{clips}, {self.job.classes}{', T' if over_time else ''}"
            raise CalseError(f"{self.network.name} gives {shape}; {wanted} is ({sizes})")

    def _check_finite(self, value: float, epoch: int) -> None:
        """Raise CalseError when a loss or gradient is NaN or infinite."""
        if not math.isfinite(value):
            optim = f"train.{self.network.name}.optim"
            hint = f"lower {optim}.lr" if self.precision.name == "fp32" else f"set {optim}.precision to fp32"
            raise CalseError(f"loss or gradient is not finite in epoch {epoch}; {hint}")

    def save(self) -> None:
        """Keep all that resuming needs; in the end, what its results are written from."""
        parts = {"model": self.model.state_dict(), "history": self.history}
        if not self.done:
            parts["optimiser"] = self.optimiser.state()
        with atomic_file(self.state) as aside:
            torch.save(parts, aside)

    def restore(self) -> None:
        """Go on from the last finished epoch of the same training, if one is kept and whole."""
        if not is_whole(self.state):
            return
        os.utime(self.state)  # those used longest ago are the first to go
        parts = torch.load(self.state, map_location=self.device, weights_only=True)
        self.model.load_state_dict(parts["model"])
        self.history = parts["history"]
        if not self.done:
            self.optimiser.restore(parts["optimiser"])


def is_whole(state: Path) -> bool:
    """Say whether a kept state is there as it was written: torch itself does not look at its check sums."""
    try:
        with ZipFile(state) as archive:
            return archive.testzip() is None
    except (OSError, BadZipFile):
        return False
