"""A picture to judge a set by: original, swapped and donor below each other, at several times of several clips."""

from pathlib import Path

import cv2
import numpy as np

from calse.config.params import Params
from calse.data.clips import Clip
from calse.data.manifests import read_manifest, verify
from calse.data.paths import Layout
from calse.faceswap.align import Matrix, alignment, warp
from calse.faceswap.quality.distance import quotas
from calse.faceswap.quality.pictures import Pictures
from calse.landmarks.generated import landmarks_of
from calse.landmarks.record import Landmarks
from calse.runtime.files import atomic_file
from calse.video.ours.read import read_frames

CLIPS, TIMES = 4, 4
SIDE = 192  # pixels: the height of a frame, the side of a face beside it
MARGIN = 1.4  # how much more than the aligned face is shown
_LINE, _PAPER, _INK = 22, 255, (40, 40, 40)


def write_contact_sheet(params: Params, layout: Layout, set_name: str, clips: list[Clip]) -> Path:
    """Write a set's contact sheet and return its path: beside the clips, as faces are personal data.

    Which clips are shown is drawn by the set's seed.
    """
    settings = params.swap[set_name]
    counts = quotas([clip.clip for clip in clips], min(CLIPS, len(clips)), settings.seed)
    donor = strip(*_read(layout, read_manifest(layout.source_manifest(settings.donor))[0]))
    parts = []
    for clip in (clip for clip, count in zip(clips, counts, strict=True) if count):
        parts += [caption(f"{clip.clip}: original, swapped, {settings.donor}"), *_pair(layout, clip), donor]
    path = layout.augmented(set_name) / "contact-sheet.png"
    with atomic_file(path) as aside:
        cv2.imwrite(str(aside), cv2.cvtColor(stacked(parts), cv2.COLOR_RGB2BGR))
    return path


def _pair(layout: Layout, clip: Clip) -> tuple[Pictures, Pictures]:
    """Return the strips of a clip's parent and of itself, at the same times."""
    parents = read_manifest(layout.source_manifest(clip.source))
    original, track = _read(layout, next(parent for parent in parents if parent.clip == clip.parent))
    return strip(original, track), strip(read_frames(verify(clip, layout.root)), track)


def _read(layout: Layout, clip: Clip) -> tuple[Pictures, Landmarks]:
    return read_frames(verify(clip, layout.root)), landmarks_of(clip, layout)


def strip(frames: Pictures, track: Landmarks) -> Pictures:
    """Return frames `T x H x W x 3` at TIMES times, each with its face enlarged: `SIDE x ... x 3`."""
    numbers = np.linspace(0, len(frames) - 1, TIMES + 2).round().astype(int)[1:-1].tolist()
    matrices = alignment(track, SIDE, margin=MARGIN)
    width = round(SIDE * frames.shape[2] / frames.shape[1])
    cells = []
    for number in numbers:
        small = cv2.resize(frames[number], (width, SIDE), interpolation=cv2.INTER_AREA)
        cells += [np.asarray(small, np.uint8), close_up(frames[number], matrices[number])]
    return np.concatenate(cells, axis=1)


def close_up(frame: Pictures, matrix: Matrix) -> Pictures:
    """Return the face `SIDE x SIDE x 3` under its alignment, blank without one."""
    if np.isnan(matrix).any():
        return np.full((SIDE, SIDE, 3), _PAPER, np.uint8)
    return np.clip(warp(frame, matrix, SIDE, SIDE), 0, 255).astype(np.uint8)


def caption(text: str) -> Pictures:
    """Return a line of ASCII text as a picture."""
    line = np.full((_LINE, 10 * len(text), 3), _PAPER, np.uint8)
    cv2.putText(line, text, (4, _LINE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
    return line


def stacked(pictures: list[Pictures]) -> Pictures:
    """Return pictures below each other, the narrower ones with blank paper on their right."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=_PAPER) for p in pictures]
    return np.concatenate(padded)
