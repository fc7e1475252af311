"""What synthetic signers really did with their faces, beside what is measured in their pictures."""

from typing import NamedTuple

import numpy as np

from calse.data.clips import Clip
from calse.data.paths import Layout
from calse.faceswap.quality.expression import FEATURES, Series, correlation


class Truth(NamedTuple):
    """True weights over the frames of a clip, `T`: how far the jaw is open, the brows raised (negative: lowered)."""

    lips: Series
    brows: Series


class Agreement(NamedTuple):
    """Correlation of measured with true movement, in the original and in the swapped clip."""

    original: float
    swapped: float


def read_truth(layout: Layout, corpus: str, clip: Clip) -> Truth | None:
    """Return the truth of a clip, or nothing where people were filmed. It lies beside the raw video, frame by frame."""
    made = clip.details
    path = (layout.raw(corpus) / clip.source / "truth" / str(made.get("raw", "none"))).with_suffix(".npz")
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as labels:
        mouth = dict(zip(labels["mouth_names"].tolist(), labels["mouth"].T.astype(np.float64), strict=True))
        brows = dict(zip(labels["brow_names"].tolist(), labels["brows"].T.astype(np.float64), strict=True))
    numbers = raw_frames(clip.frames, clip.fps, float(made["raw_fps"]), int(made["raw_frames"]))
    return Truth(mouth["jawOpen"][numbers], (brows["browInnerUp"] - brows["browDownLeft"])[numbers])


def raw_frames(frames: int, fps: float, raw_fps: float, raw_count: int) -> list[int]:
    """Return which raw frame each frame of a clip shows: the one on screen at that time."""
    times = np.arange(frames) / fps
    shown = np.floor(times * raw_fps + 1e-6)
    return [int(number) for number in np.clip(shown, 0, raw_count - 1)]


def agreement(truth: Truth, original: Series, swapped: Series) -> dict[str, Agreement]:
    """Compare the features `T x 10` of a clip and of its swapped copy with the truth, where that moves."""
    seen = ~(np.isnan(original).any(axis=1) | np.isnan(swapped).any(axis=1))
    true = {name: series[seen] for name, series in truth._asdict().items() if series[seen].std() > 0}
    clips = (original[seen], swapped[seen])
    return {
        name: Agreement(*(correlation(series, _measured(clip, name)) for clip in clips))
        for name, series in true.items()
    }


def _measured(values: Series, name: str) -> Series:
    columns = {"lips": ["lip_opening"], "brows": ["right_brow", "left_brow"]}[name]
    return np.asarray(values[:, [FEATURES.index(column) for column in columns]].mean(axis=1))
