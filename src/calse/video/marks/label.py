"""A label that everybody sees: what a generated video is, in a corner of its pictures."""

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]
HEIGHT = 0.05  # of a letter, as a share of the picture's height


def labelled(frame: Pictures, words: str) -> Pictures:
    """Return a frame `H x W x 3` RGB with words in its lower left corner, white on black; elsewhere nothing changes."""
    import cv2

    font, inside = cv2.FONT_HERSHEY_SIMPLEX, 4
    height, width = frame.shape[:2]
    thickness = max(1, round(height / 250))
    scale = cv2.getFontScaleFromHeight(font, max(8, round(HEIGHT * height)), thickness)
    (across, up), below = cv2.getTextSize(words, font, scale, thickness)
    scale *= min(1, (width - 2 * inside) / across)
    (across, up), below = cv2.getTextSize(words, font, scale, thickness)
    drawn = frame.copy()
    drawn[height - up - below - 2 * inside :, : across + 2 * inside] = 0
    place = (inside, height - below - inside)
    cv2.putText(drawn, words, place, font, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return drawn
