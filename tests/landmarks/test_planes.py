"""Networks see the same in the planes of a frame as in its RGB."""

import numpy as np
import pytest

from calse.landmarks.crops import Square, cut, part_of
from calse.landmarks.detector import letterbox
from calse.video.ours.planes import planes_of_rgb

# Colours that change by three levels a pixel: a sample that is taken half a pixel beside its place shows.
X, Y = np.meshgrid(np.arange(72), np.arange(48))
SLOPES = np.stack([20 + 3 * X, 60 + 2 * Y, 236 - 3 * X], axis=2).astype(np.uint8)
PLANES = planes_of_rgb(SLOPES)


def is_same(one, other):
    apart = np.asarray(one, float) - other
    return np.abs(apart).max() < 8 and np.abs(apart.mean(axis=(0, 1))).max() < 0.6


@pytest.mark.parametrize(
    "square", [Square(36, 24, 20, 0), Square(37.3, 23.5, 12, 0.7), pytest.param(Square(36, 24, 40, -0.4), id="coarse")]
)
def test_a_crop_of_planes_is_that_of_the_picture(square):
    same = cut(PLANES, square, 8)
    assert same.shape == (8, 8, 3)
    assert is_same(255 * same, 255 * cut(SLOPES, square, 8))


@pytest.mark.parametrize("size", [32, 96])
def test_a_detector_sees_in_planes_what_it_sees_in_the_picture(size):
    square, scale, offset = letterbox(PLANES, size)
    other = letterbox(SLOPES, size)
    assert (scale, offset.tolist()) == (other[1], other[2].tolist())
    assert is_same(square, other[0])


def test_a_part_of_planes_is_that_of_the_picture():
    rows, columns = slice(6, 42), slice(8, 60)
    part = part_of(PLANES, rows, columns)
    assert part.shape == (36, 52)
    assert is_same(letterbox(part, 24)[0], letterbox(SLOPES[rows, columns], 24)[0])
