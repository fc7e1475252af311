"""Networks: recognisers that are trained on frames by gradients. They share one implementation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from calse.config.sections import refusal
from calse.recognition.registry import Recogniser
from calse.recognition.settings import BN_MOMENTUM, Model, NetworkSettings
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from calse.data.clips import Clip
    from calse.data.paths import Layout
    from calse.recognition.registry import Scores
    from calse.recognition.training.jobs import Job

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Network(Recogniser):
    """A network that `train` can name, and what it takes.

    `build` makes it, untrained, for a number of classes; `head` is its layer whose shape follows that number, by the
    dotted name that `named_modules()` has. It takes at least `frames` frames of any size, or exactly one `shape`
    (frames, pixels). `over_time`: it gives logits for every moment of a clip, as the loss `bce-localisation` needs.
    `widths`: it comes in other widths than 1. `recomputes`: it can compute its layers twice to save memory.
    `batch_norm`: it has batch normalisation, whose momentum is `model.bn_momentum`. `statistics`: mean and deviation of
    RGB in [0, 1] that its published weights were trained with; without them its input lies in [-1, 1].
    """

    build: "Callable[[Model, int], nn.Module]"
    head: str
    frames: int = 1
    shape: tuple[int, int] | None = None
    over_time: bool = False
    widths: bool = False
    recomputes: bool = False
    batch_norm: bool = False
    statistics: tuple[Colour, Colour] | None = None
    settings: ClassVar[Any] = NetworkSettings
    needs: ClassVar[str] = "calse.recognition.training.fit"

    def check(self, settings: NetworkSettings) -> None:
        """Raise ValidationError naming the parameter that this network does not take or would not read."""
        model, frames, size, loss = settings.model, settings.input.frames, settings.input.size, settings.optim.loss
        if model.width != 1 and not self.widths:
            raise refusal(("model", "width"), model.width, f"{self.name} comes in width 1 only, not {model.width:g}")
        if model.recompute and not self.recomputes:
            raise refusal(("model", "recompute"), True, f"{self.name} cannot; set false, or optim.micro_batch")
        if model.bn_momentum != BN_MOMENTUM and not self.batch_norm:
            why = f"{self.name} has no batch normalisation and does not read it; set {BN_MOMENTUM}"
            raise refusal(("model", "bn_momentum"), model.bn_momentum, why)
        if loss == "bce-localisation" and not self.over_time:
            raise refusal(("optim", "loss"), loss, f"{self.name} gives one answer a clip, not one a moment; set ce")
        if frames < self.frames:
            raise refusal(("input", "frames"), frames, f"{self.name} needs at least {self.frames}, not {frames}")
        if self.shape and (frames, size) != self.shape:
            wrong, value = ("frames", frames) if frames != self.shape[0] else ("size", size)
            why = f"{self.name} takes {self.shape[0]} frames of {self.shape[1]} pixels and nothing else"
            raise refusal(("input", wrong), value, why)

    def facts(
        self, settings: NetworkSettings, layout: "Layout", clips: "list[Clip]", equal_steps: bool
    ) -> dict[str, Any]:
        """Return the optimiser's steps, the epochs that takes, and the hash of the checkpoint to start from."""
        counted = [clip for clip in clips if not clip.parent] if equal_steps else clips
        steps = settings.schedule.epochs * ceil(len(counted) / settings.optim.batch)
        epochs = ceil(steps / ceil(len(clips) / settings.optim.batch))
        return {"steps": steps, "epochs": epochs, "pretrained_sha256": self._start(settings.model.pretrained)}

    def _start(self, pretrained: str | None) -> str | None:
        """Return the hash of the checkpoint to start from. Raises CalseError when it is missing."""
        if pretrained is None:
            return None
        if not Path(pretrained).is_file():
            raise CalseError(
                f"train.{self.name}.model.pretrained: {pretrained} is missing; put the checkpoint there, or set null"
            )
        return sha256_of(Path(pretrained))

    def prepare(self, clips: "list[Clip]", layout: "Layout", settings: NetworkSettings) -> list[Path]:
        """Decode clips and return their files. Raises CalseError naming the clip that is missing or changed."""
        from calse.recognition.input.frames_cache import cached_frames

        return cached_frames(clips, layout, settings.input.size)

    def load(self, path: Path) -> "np.ndarray":
        """Return a decoded clip T x H x W x 3 uint8."""
        from calse.recognition.input.frames_cache import open_frames

        return open_frames(path)

    def view(
        self, video: Path, fps: float, short_side: int, settings: NetworkSettings
    ) -> "tuple[np.ndarray, list[str]]":
        """Return the frames that evaluation would choose of a video, T x H x W x 3 uint8, and the doubts about them."""
        from calse.recognition.view import chosen_frames

        return chosen_frames(video, fps, short_side, settings.input)

    def train(self, job: "Job", tell: Callable[..., None]) -> None:
        """Train one run from seed to checkpoint, by gradients."""
        from calse.recognition.training.fit import fit

        fit(job, tell)

    def scorer(self, checkpoint: Path) -> "Callable[[Iterable[np.ndarray]], list[Scores]]":
        """Return what scores decoded clips with a checkpoint's network."""
        from calse.recognition.checkpoint import load_checkpoint
        from calse.recognition.inference import predict

        model, info = load_checkpoint(checkpoint)
        return lambda clips: predict(model, info, clips)

    def built(self, model: Model, classes: int) -> "nn.Module":
        """Return the network, untrained: clips N x 3 x T x S x S to logits N x K, or N x K x T' when `over_time`.

        Raises CalseError when `head` names none of its layers.
        """
        from torch import nn

        network = self.build(model, classes)
        layers = dict(network.named_modules())
        if not self.head or self.head not in layers:
            last = next(reversed(layers))
            raise CalseError(f"{self.name} has no layer {self.head!r}, which its `head` names; its last is {last!r}")
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.momentum = model.bn_momentum
        return network


def drop_before(network: "nn.Module", head: str, dropout: float) -> "nn.Module":
    """Drop features in front of a layer; as a hook, because a layer more would rename the published weights."""
    from torch.nn.functional import dropout as drop

    layer = network.get_submodule(head)
    layer.register_forward_pre_hook(lambda layer, given: (drop(given[0], dropout, layer.training),))
    return network


def find_network(name: str) -> Network:
    """Return the network of that name. Raises CalseError when it is none."""
    from calse.recognition.registry import find_recogniser

    found = find_recogniser(name)
    if not isinstance(found, Network):
        raise CalseError(f"{name} is no network: it is not trained on frames")
    return found
