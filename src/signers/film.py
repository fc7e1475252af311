"""From a studio and a gloss to frames, one by one, each with what is true in it."""

from collections.abc import Iterator

import numpy as np

from signers.figure import figure_of
from signers.gloss import Gloss
from signers.render import draw, look
from signers.scene import Studio
from signers.take import poses
from signers.truth import Truth, truth_of


def even(length: float) -> int:
    """Return the even number nearest to a length: what video codecs take."""
    return round(length / 2) * 2


def film(studio: Studio, gloss: Gloss, short_side: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, Truth]]:
    """Yield the frames (H x W x 3 uint8 RGB, H about `short_side`) of one repetition, with their labels."""
    figure = figure_of(studio.signer)
    height, width = even(short_side), even(short_side * studio.aspect)
    for pose in poses(gloss, studio.style, rng):
        view = look(figure.vertices(pose), studio.camera, width, height)
        picture = draw(figure, view, studio.light, studio.backdrop, width, height)
        yield picture.frame, truth_of(pose, view, picture)
