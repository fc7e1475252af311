"""Videos to judge a result by: the original beside what was made of it, or a video beside its best glosses."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calse.browse.overlay import copied, drawn, write_like
from calse.config.params import Params
from calse.data.clips import provenance
from calse.data.paths import Layout
from calse.landmarks.crops import Pictures
from calse.landmarks.following import landmarks_of_frames, load_networks
from calse.runtime.errors import CalseError
from calse.runtime.files import temporary_folder
from calse.runtime.repository import scratch
from calse.video.marks.label import labelled
from calse.video.ours.read import iterate_frames

ROWS = 10  # of a list of glosses
PAPER, INK, BAR = (29, 32, 36), (232, 232, 230), (52, 84, 120)


def preview_targets(
    folder: Path, videos: Sequence[Path], output: Path | None = None, suffix: str = ".mp4"
) -> list[Path]:
    """Return where the preview of each video, or another file about it, goes.

    Raises CalseError when one is there already, two share a name, or `output` is the same folder: a preview shows who
    was filmed and must not be taken for an anonymised video.
    """
    if output is not None and folder.resolve() == output.resolve():
        raise CalseError(
            f"--preview {folder}: previews show the originals; choose another folder than that of --output"
        )
    targets = [folder / f"{video.stem}{suffix}" for video in videos]
    for video, target in zip(videos, targets, strict=True):
        if target.exists():
            raise CalseError(f"{video}: {target} exists; remove it or choose another folder")
        if targets.count(target) > 1:
            raise CalseError(f"{video}: another video would become {target} too; give them different names")
    return targets


def preview_swaps(params: Params, swaps: Sequence[tuple[Path, Path, Path]]) -> None:
    """Write the original and the result beside each other; `swaps` are videos, what became of them, and targets.

    Raises CalseError when a video cannot be read a second time.
    """
    with temporary_folder(scratch() / "foreign") as folder:
        for video, result, target in swaps:
            copy, times = copied(params, video, folder)
            pairs = zip(iterate_frames(copy), iterate_frames(result), strict=True)
            frames = (np.hstack([labelled(one, "original"), labelled(two, "synthetic face")]) for one, two in pairs)
            made = provenance("", {"by": "preview", "face": "synthetic face on the right"})
            write_like(target, frames, times, made)
            copy.unlink()


def preview_predictions(
    params: Params, layout: Layout, predicted: Sequence[tuple[Path, Sequence[tuple[str, float]], Path]]
) -> None:
    """Write videos with their landmarks drawn in, beside their best glosses; `predicted` are videos, glosses with their
    probabilities, and targets.

    Raises CalseError when a landmark model is missing or a video cannot be read a second time.
    """
    networks = load_networks(layout)
    with temporary_folder(scratch() / "foreign") as folder:
        for video, glosses, target in predicted:
            copy, times = copied(params, video, folder)
            found = landmarks_of_frames(iterate_frames(copy), networks, params.landmarks)
            listed = glosses_picture(glosses, next(iterate_frames(copy)).shape[0])
            frames = (np.hstack([frame, listed]) for frame in drawn(iterate_frames(copy), found))
            write_like(target, frames, times)
            copy.unlink()


def glosses_picture(glosses: Sequence[tuple[str, float]], height: int) -> Pictures:
    """Return a list of glosses as a picture of so many rows of pixels, RGB: a bar a gloss, as long as its probability.

    A name in letters that the font lacks is drawn as boxes.
    """
    from matplotlib.font_manager import findfont
    from PIL import Image, ImageDraw, ImageFont

    row = height / ROWS
    width = 2 * round(4 * row)
    font = ImageFont.truetype(findfont("DejaVu Sans"), max(7, round(0.55 * row)))
    picture = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(picture)
    for place, (gloss, probability) in enumerate(glosses[:ROWS]):
        top, middle = place * row, (place + 0.5) * row
        pen.rectangle((0, top + 1, probability * width, top + row - 2), fill=BAR)
        text = f"{100 * probability:.0f} %"
        width_left = width - pen.textlength(text, font) - 0.8 * row
        while gloss and pen.textlength(gloss, font) > width_left:
            gloss = gloss.removesuffix("…")[:-1] + "…" if len(gloss) > 1 else ""
        pen.text((0.2 * row, middle), gloss, INK, font, "lm")
        pen.text((width - 0.2 * row, middle), text, INK, font, "rm")
    return np.asarray(picture)
