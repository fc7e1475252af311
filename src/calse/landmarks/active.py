"""When a person signs, and with which hands: the longest stretch of a film in which a hand is up."""

import numpy as np
from numpy.typing import NDArray

HIGHEST = 10, 0.3  # percent of the frames, or seconds if that is less, in which a hand is at its highest
LOWEST = 98  # percent of the frames in which a hand is higher than where it rests
LEAST_DROP = 0.5  # shoulder widths from its highest to rest; with less, all of a film is signing
LONGEST_REST = 1.0  # seconds within a sign; after more, as when somebody starts the camera, another stretch begins
LEAST_FOUND = 0.12, 0.2  # share of the active part, and seconds: a hand found for less takes no part in it
AT_REST = 2.2  # shoulder widths under the shoulders: where a hand is taken to be that is not found


def active_part(heights: NDArray[np.floating], fps: float) -> tuple[int, int]:
    """Return first and last frame of the longest stretch in which a hand is nearer to its highest place than to rest.

    `heights`, T, are its y in shoulder widths, downwards; a hand that does not drop is active throughout.
    """
    percent, seconds = HIGHEST
    top, rest = np.percentile(heights, (min(percent, 100 * seconds * fps / len(heights)), LOWEST))
    if rest - top < LEAST_DROP:
        return 0, len(heights) - 1
    high = np.flatnonzero(heights <= (top + rest) / 2)
    stretches = np.split(high, np.flatnonzero(np.diff(high) > LONGEST_REST * fps) + 1)
    longest = max(stretches, key=len)
    return int(longest[0]), int(longest[-1])


def hands_that_sign(heights: NDArray[np.floating], fps: float) -> NDArray[np.bool_]:
    """Return which of two hands are found in enough of the frames in which either is up.

    `heights`, T x 2, are those of the wrists in shoulder widths under the shoulders, NaN where a hand is not found.
    """
    found = ~np.isnan(heights)
    first, last = active_part(np.where(found, heights, AT_REST).min(axis=1), fps)
    share, seconds = LEAST_FOUND
    least = max(share * (last + 1 - first), min(seconds * fps, len(heights) / 2))
    return np.asarray(found[first : last + 1].sum(axis=0) >= least)
