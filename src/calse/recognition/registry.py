"""Which recognisers there are and what each takes. No torch here: a wrong size is refused before anything decodes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calse.runtime.errors import CalseError

if TYPE_CHECKING:
    from calse.config.sections import Train


@dataclass(frozen=True)
class Limits:
    """What a recogniser takes: at least `frames` and any size, or exactly one `shape` (frames, pixels).

    `over_time`: it answers for every moment of a clip, as the loss `bce-localisation` needs. `widths`: it comes in
    other widths than 1. `recomputes`: it can compute its layers twice to save memory.
    """

    frames: int = 9
    shape: tuple[int, int] | None = None
    over_time: bool = False
    widths: bool = False
    recomputes: bool = False


RECOGNISERS = {
    "i3d": Limits(over_time=True, widths=True, recomputes=True),
    "r2plus1d_18": Limits(),
    "s3d": Limits(frames=13),
    "mvit_v2_s": Limits(shape=(16, 224)),
    "swin3d_t": Limits(),
}


def check_recogniser(train: "Train", path: Path) -> None:
    """Raise CalseError naming the parameter that `train.model` does not go with."""
    limits = RECOGNISERS[train.model]
    if train.width != 1 and not limits.widths:
        raise CalseError(f"{path}: train.width: {train.model} comes in width 1 only, not {train.width:g}")
    if train.loss == "bce-localisation" and not limits.over_time:
        raise CalseError(
            f"{path}: train.loss: {train.model} gives one answer a clip; bce-localisation needs i3d; set ce"
        )
    if train.recompute and not limits.recomputes:
        raise CalseError(f"{path}: train.recompute: {train.model} cannot; set false, or train.micro_batch")
    if train.frames < limits.frames:
        raise CalseError(f"{path}: train.frames: {train.model} needs at least {limits.frames}, not {train.frames}")
    if limits.shape and (train.frames, train.size) != limits.shape:
        frames, size = limits.shape
        wrong = "frames" if train.frames != frames else "size"
        raise CalseError(
            f"{path}: train.{wrong}: {train.model} takes {frames} frames of {size} pixels and nothing else"
        )
