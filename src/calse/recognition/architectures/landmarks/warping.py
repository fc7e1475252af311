"""Distances by dynamic time warping with open ends, the same to the bit on every processor: no sum is reordered."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from calse.recognition.architectures.landmarks.features import GROUPS
from calse.recognition.architectures.landmarks.signing import Floats

BAND = 0.3  # share of the length by which two sequences may run apart
LEFT_OUT = 0.25  # share of a sequence that may be left out at either end: clips start and stop anywhere
UNKNOWN = 0.6  # the distance of hands of which one was not found

# Constants of the compiled functions.
_COUNTS = np.array([group.numbers for group in GROUPS.values()])
_WEIGHTS = np.array([group.weight for group in GROUPS.values()], np.float32)
_HANDS = np.array([group.hand for group in GROUPS.values()])

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """Compile a function of arrays at its first call, without the liberties of fastmath."""
    kernel: Kernel = numba.njit(cache=True)(function)
    return kernel


def distances(query: Floats, known: Floats) -> Floats:
    """Return the distance of features `ROWS x T` to each of `N x ROWS x T`: the mean cost along the best path.

    The smallest of nine: at each end LEFT_OUT of the one, of the other or of neither is left out.
    """
    return np.asarray(_distances(query, known), np.float32)


@compiled
def _distances(query: Any, known: Any) -> Any:
    """Compute `distances`: a loop over the known clips and the nine ways to leave ends out."""
    result = np.empty(len(known), np.float32)
    frames = query.shape[1]
    cut = int(LEFT_OUT * frames)
    for number in range(len(known)):
        costs = frame_costs(query, known[number])
        best = np.float32(np.inf)
        for start in range(3):
            top, left = cut * (start == 1), cut * (start == 2)
            for end in range(3):
                bottom, right = frames - cut * (end == 1), frames - cut * (end == 2)
                best = min(best, path_cost(costs[top:bottom, left:right]))
        result[number] = best
    return result


@compiled
def frame_costs(one: Any, other: Any) -> Any:
    """Return the cost of every pair of frames, `T x T`."""
    rows, frames = one.shape
    costs = np.zeros((frames, other.shape[1]), np.float32)
    square = np.empty(other.shape[1], np.float32)
    other_up = rows - 3
    for i in range(frames):
        first = 0
        for group in range(len(_COUNTS)):
            hand = _HANDS[group]
            square[:] = 0
            for row in range(first, first + _COUNTS[group]):
                for j in range(other.shape[1]):
                    difference = one[row, i] - other[row, j]
                    square[j] += difference * difference
            first += _COUNTS[group]
            for j in range(other.shape[1]):
                distance = np.float32(math.sqrt(square[j]))
                if hand >= 0 and not (one[rows - 2 + hand, i] > 0 and other[rows - 2 + hand, j] > 0):
                    distance = np.float32(UNKNOWN)
                if hand == 1:
                    distance *= min(one[other_up, i], other[other_up, j])
                costs[i, j] += _WEIGHTS[group] * distance
    return costs


@compiled
def path_cost(costs: Any) -> Any:
    """Return the mean along the path of least cost from the first pair of frames to the last, all steps alike."""
    rows, columns = costs.shape
    slope = (columns - 1) / max(rows - 1, 1)
    band = max(BAND * columns, slope, 1.0)
    total = np.full((2, columns), np.inf, np.float32)
    steps = np.zeros((2, columns), np.int64)
    for i in range(rows):
        now, before = i % 2, (i + 1) % 2
        middle = i * slope
        total[now, :] = np.inf
        for j in range(max(0, math.ceil(middle - band)), min(columns - 1, math.floor(middle + band)) + 1):
            least, length = np.float32(np.inf), 0
            if i == 0 and j == 0:
                least = np.float32(0)
            if i > 0 and j > 0 and total[before, j - 1] < least:
                least, length = total[before, j - 1], steps[before, j - 1]
            if i > 0 and total[before, j] < least:
                least, length = total[before, j], steps[before, j]
            if j > 0 and total[now, j - 1] < least:
                least, length = total[now, j - 1], steps[now, j - 1]
            total[now, j], steps[now, j] = least + costs[i, j], length + 1
    return total[(rows - 1) % 2, columns - 1] / steps[(rows - 1) % 2, columns - 1]
