"""Predictions as tiers of an ELAN file, beside the annotations of people."""

from collections.abc import Sequence
from pathlib import Path

from calse.data.elan import Annotation, write_tiers
from calse.runtime.errors import CalseError
from calse.runtime.sandbox import Refused, map_sandboxed
from calse.video.untrusted.decode import iterate_pictures

BEST, TEN = "calse", "calse: ten best"


def annotate(predicted: Sequence[tuple[Path, Sequence[tuple[str, float]], Path]], seconds: float) -> None:
    """Write an ELAN file for every video: a tier with its best gloss and one with ten and their probabilities, each
    over the whole video. `predicted` are videos, glosses with probabilities, and targets.

    Raises CalseError when a video cannot be read a second time.
    """
    lengths = map_sandboxed(length_of, [video for video, _, _ in predicted], "measure", seconds)
    for (video, glosses, target), length in zip(predicted, lengths, strict=True):
        if isinstance(length, Refused):
            raise CalseError(f"{video}: {length.reason}")
        ten = ", ".join(f"{gloss} {100 * probability:.1f} %" for gloss, probability in glosses)
        tiers = {BEST: [Annotation(0, length, glosses[0][0])], TEN: [Annotation(0, length, ten)]}
        write_tiers(target, video, tiers)


def length_of(video: Path) -> float:
    """Return when the last picture of a video ends, in seconds."""
    end = 0.0
    for picture in iterate_pictures(video):
        end = picture.seconds + picture.duration
    return end
