"""Which recognisers there are: those that the files of architectures/ declare.

No torch here and none in those files outside of `build`: what params.yaml asks for is checked by commands that start
in a quarter of a second, before anything decodes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from calse.recognition import architectures
from calse.runtime.errors import CalseError

if TYPE_CHECKING:
    from torch import nn

    from calse.config.sections import Train

Colour = tuple[float, float, float]
BN_MOMENTUM = 0.1  # torch's own: the value of a parameter that a network without batch normalisation does not read


@dataclass(frozen=True)
class Recogniser:
    """A network that `train.model` can name, and what it takes.

    `build` makes it, untrained, for a number of classes; `head` is its layer whose shape follows that number. It takes
    at least `frames` frames of any size, or exactly one `shape` (frames, pixels). `over_time`: it gives logits for
    every moment of a clip, as the loss `bce-localisation` needs. `widths`: it comes in other widths than 1.
    `recomputes`: it can compute its layers twice to save memory. `batch_norm`: it has batch normalisation, whose
    momentum is `train.bn_momentum`. `statistics`: mean and deviation of RGB in [0, 1] that
    its published weights were trained with; without them its input lies in [-1, 1].
    """

    name: str
    build: "Callable[[Train, int], nn.Module]"
    head: str
    frames: int = 1
    shape: tuple[int, int] | None = None
    over_time: bool = False
    widths: bool = False
    recomputes: bool = False
    batch_norm: bool = False
    statistics: tuple[Colour, Colour] | None = None


@cache
def recognisers() -> dict[str, Recogniser]:
    """Return every recogniser by name. Raises CalseError when two have the same."""
    found: dict[str, Recogniser] = {}
    for file in iter_modules(architectures.__path__, f"{architectures.__name__}."):
        declared = () if file.ispkg else vars(import_module(file.name)).values()
        for recogniser in declared:
            if isinstance(recogniser, Recogniser):
                if recogniser.name in found:
                    raise CalseError(f"{file.name}: there is a recogniser {recogniser.name!r} already; rename this one")
                found[recogniser.name] = recogniser
    return found


def find_recogniser(name: str) -> Recogniser:
    """Return the recogniser of that name. Raises CalseError listing those there are."""
    if name not in recognisers():
        raise CalseError(f"there is no recogniser {name!r}; those are: {', '.join(recognisers())}")
    return recognisers()[name]


def check_recogniser(train: "Train", path: Path) -> None:
    """Raise CalseError naming the parameter that `train.model` does not go with."""
    try:
        model = find_recogniser(train.model)
    except CalseError as error:
        raise CalseError(f"{path}: train.model: {error}") from None
    if train.width != 1 and not model.widths:
        raise CalseError(f"{path}: train.width: {model.name} comes in width 1 only, not {train.width:g}")
    if train.loss == "bce-localisation" and not model.over_time:
        able = " or ".join(other.name for other in recognisers().values() if other.over_time)
        raise CalseError(
            f"{path}: train.loss: {model.name} gives one answer a clip; bce-localisation needs {able}; set ce"
        )
    if train.recompute and not model.recomputes:
        raise CalseError(f"{path}: train.recompute: {model.name} cannot; set false, or train.micro_batch")
    if train.bn_momentum != BN_MOMENTUM and not model.batch_norm:
        raise CalseError(
            f"{path}: train.bn_momentum: {model.name} has no batch normalisation and does not read it; "
            f"set {BN_MOMENTUM}"
        )
    if train.frames < model.frames:
        raise CalseError(f"{path}: train.frames: {model.name} needs at least {model.frames}, not {train.frames}")
    if model.shape and (train.frames, train.size) != model.shape:
        frames, size = model.shape
        wrong = "frames" if train.frames != frames else "size"
        raise CalseError(f"{path}: train.{wrong}: {model.name} takes {frames} frames of {size} pixels and nothing else")
