"""Any video as the recogniser `landmarks` compares it."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.config.sections import LandmarkSettings
from calse.data.paths import Layout
from calse.landmarks.following import landmarks_of_frames, load_networks
from calse.recognition.architectures.landmarks.examples import Example, signing_of
from calse.recognition.architectures.landmarks.settings import LandmarksSettings
from calse.video.ours.planes import rgb_of
from calse.video.untrusted.decode import iterate_pictures
from calse.video.untrusted.normalise import at_rate, fitted

# How the face is followed that tells of several bodies which one signs; the body itself knows no settings.
FOLLOWED = LandmarkSettings(sources=(), detect_every=25, min_presence=0.5, min_width=0.05)


def example_of_video(
    video: Path, fps: float, short_side: int, settings: LandmarksSettings
) -> tuple[Example, list[str]]:
    """Return any video as it is compared, not yet embedded, and why it may not be as it was filmed.

    One frame is held at a time. Raises CalseError saying what is wrong with the file, or that it shows no person.
    """
    cv2.setNumThreads(1)
    doubts: set[str] = set()

    def frames() -> Iterator[NDArray[np.uint8]]:
        """Yield the frames, and note the doubts about them."""
        for picture in at_rate(iterate_pictures(video), fps):
            doubts.update(picture.doubts)
            yield rgb_of(next(fitted([picture], short_side)))

    landmarks = landmarks_of_frames(frames(), load_networks(Layout()), FOLLOWED)
    return Example(signing_of(landmarks, fps, settings)), sorted(doubts)
