"""Small pictures out of clips, as data URIs.

Without `report.show_faces` no pixel of a clip leaves this file; of people who are not to be shown, or not to be shared
(pages are sent around), none ever does.
"""

import base64
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.data.clips import Clip
from calse.data.consent import Consent
from calse.data.manifests import verify
from calse.video.ours.read import read_frames

Image = NDArray[np.uint8]
FRAMES, SIDE, QUALITY = 4, 104, 72  # frames of a strip, pixels of its height, WebP quality
SHEET_WIDTH = 960  # pixels


class Pictures:
    """Makes the page's pictures: none at all when faces are not to be shown, else of people who allow it.

    `hidden` are the sources in which somebody does not.
    """

    def __init__(self, root: Path, shown: bool, consent: Consent) -> None:
        self.root, self.shown, self.consent = root, shown, consent
        self.hidden = consent.denied_sources("show") | consent.denied_sources("share")

    def strip(self, *clips: Clip) -> str | None:
        """Return one row of frames a clip, at the same shares of each, below each other.

        Raises CalseError when a clip is missing or has changed.
        """
        permits = self.consent.permits
        if not self.shown or not all(permits(clip, "show") and permits(clip, "share") for clip in clips):
            return None
        rows = [_row(read_frames(verify(clip, self.root))) for clip in clips]
        width = max(row.shape[1] for row in rows)
        return _uri(np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]))

    def contact_sheet(self, path: Path, sources: Iterable[str]) -> str | None:
        """Return a contact sheet with people of these sources, made smaller; None when it is not there."""
        if not self.shown or not self.hidden.isdisjoint(sources) or not path.is_file():
            return None
        picture = np.asarray(cv2.imread(str(path)))
        height = round(picture.shape[0] * SHEET_WIDTH / picture.shape[1])
        return _uri(np.asarray(cv2.resize(picture, (SHEET_WIDTH, height), interpolation=cv2.INTER_AREA)[..., ::-1]))


def _row(frames: Image) -> Image:
    """Return frames `T x H x W x 3` at FRAMES times beside each other, `SIDE x ... x 3`."""
    numbers = np.linspace(0, len(frames) - 1, FRAMES + 2).round().astype(int)[1:-1]
    width = round(SIDE * frames.shape[2] / frames.shape[1])
    small = [cv2.resize(frames[number], (width, SIDE), interpolation=cv2.INTER_AREA) for number in numbers]
    return np.concatenate([np.asarray(image, np.uint8) for image in small], axis=1)


def _uri(image: Image) -> str:
    """Return an RGB picture as WebP in a data URI."""
    data = cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1]
    return f"data:image/webp;base64,{base64.b64encode(data.tobytes()).decode()}"
