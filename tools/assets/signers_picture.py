"""docs/signers.png: sources side by side, one gloss a row; made by `python -m assets.signers_picture`."""

from collections.abc import Sequence

import cv2
import numpy as np

from signers.film import film
from signers.gloss import Gloss
from signers.glosses import glosses
from signers.scene import Studio
from signers.signers import DONORS, SOURCES
from signers.take import rng_of

SHOWN = ("HOLA", "CASA")


def middle_frame(studio: Studio, gloss: Gloss, side: int) -> np.ndarray:
    """Return the frame in the middle of a clip, cut to a square of `side` pixels."""
    frames = [frame for frame, _ in film(studio, gloss, side, rng_of("sheet", gloss.name))]
    frame = frames[round((len(frames) - 1) / 2)]
    left = (frame.shape[1] - side) // 2
    return frame[:, left : left + side]


def picture(signs: Sequence[Gloss], side: int) -> np.ndarray:
    """Return one frame of every sign (rows) by every studio and donor (columns), H x W x 3 uint8 RGB."""
    studios = [studio for takes in SOURCES.values() for studio in takes] + list(DONORS.values())
    columns = [np.concatenate([middle_frame(studio, gloss, side) for gloss in signs]) for studio in studios]
    return np.concatenate(columns, 1)


if __name__ == "__main__":
    signs = [gloss for gloss in glosses(24) if gloss.name in SHOWN]
    cv2.imwrite("docs/signers.png", picture(signs, side=134)[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
