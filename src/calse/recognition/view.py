"""The frames of any video that a network looks at, prepared as evaluation prepares its clips."""

from pathlib import Path

import numpy as np

from calse.recognition.input.frames import short_side, shrink
from calse.recognition.input.views import sample_frames
from calse.recognition.settings import Input
from calse.video.ours.planes import rgb_of
from calse.video.untrusted.decode import iterate_pictures
from calse.video.untrusted.normalise import at_rate, fitted


def chosen_frames(video: Path, fps: float, side: int, settings: Input) -> tuple[np.ndarray, list[str]]:
    """Read the frames T x H x W x 3 uint8 that a network looks at, and why they may not look as they were filmed.

    No other frame is kept: any length takes the same memory. A first pass counts, because which frames are chosen
    depends on how many there are. `fps` and `side` are the rate and short side that clips were brought to. Raises
    CalseError saying what is wrong with the file.
    """
    count = sum(1 for _ in at_rate(iterate_pictures(video), fps))
    places = sample_frames(count, settings.frames, settings.sampling, None).tolist()
    kept: dict[int, np.ndarray] = {}
    doubts: set[str] = set()
    for place, picture in enumerate(at_rate(iterate_pictures(video), fps)):
        if place in places:
            image = rgb_of(next(fitted([picture], side)))
            kept[place] = shrink(image[None], short_side(settings.size))[0]
            doubts.update(picture.doubts)
    return np.stack([kept[place] for place in places]), sorted(doubts)
