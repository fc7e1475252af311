"""Affine copies: all frames of a clip under one random 2 x 3 matrix, in pixels."""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from calse.augment.registry import AugmentationSet
from calse.config.sections import STRICT, NotNegative, Share, refusal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calse.data.clips import Clip
    from calse.video.ours.planes import Planes

    Matrix = NDArray[np.float64]

LIMITS = ("rotation", "scale", "shear", "translation", "reflection")


@dataclass(frozen=True, config=STRICT)
class Options(AugmentationSet):
    """How far the random map of each copy may go. Each magnitude is the limit of a uniform draw; 0 switches it off.

    Rotation is in degrees, scale, shear and translation are shares of 1, of 1 and of the frame, reflection is a
    probability. `legacy` is the published draw, which has its own magnitudes and takes none of these.
    """

    mode: Literal["relative", "legacy"]
    border: Literal["black", "replicate"]
    rotation: NotNegative = 0
    scale: Share = 0
    shear: Share = 0
    translation: Share = 0
    reflection: Share = 0

    @model_validator(mode="after")
    def _legacy_takes_no_limits(self) -> "Options":
        """Refuse limits beside mode legacy, which would not read them."""
        for name in LIMITS:
            value = getattr(self, name)
            if self.mode == "legacy" and value != 0:
                raise refusal(name, value, f"mode legacy does not read this, so it must be 0, not {value:g}")
        return self


def make(frames: "Iterator[Planes]", options: Options, rng: "np.random.Generator") -> "Iterator[Planes]":
    """Move the pixels of a clip."""
    matrix = None
    for picture in frames:
        if matrix is None:
            height, width = picture.luma.shape
            matrix = draw_matrix(options, width, height, rng)
        yield warp(picture, matrix, options.border)


def facts(parent: "Clip", options: Options, rng: "np.random.Generator") -> dict[str, Any]:
    """Return what the manifest keeps of a copy: its matrix."""
    return {"matrix": draw_matrix(options, parent.width, parent.height, rng).tolist(), "mode": options.mode}


def warp(picture: "Planes", matrix: "Matrix", border: str) -> "Planes":
    """Move the pixels of a picture by a 2 x 3 matrix in pixels, bilinear; its size stays.

    Plane by plane: half as many values as RGB has, and no rounding on the way there and back.
    """
    import cv2

    from calse.video.ours.planes import BLACK, Planes

    borders = {"black": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}
    halved = matrix.copy()  # a colour sample c lies at pixel 2c + 1/2
    halved[:, 2] = (matrix @ [0.5, 0.5, 1] - 0.5) / 2
    moved = (
        cv2.warpAffine(plane, way, plane.shape[::-1], borderMode=borders[border], borderValue=black)
        for plane, way, black in zip(picture, (matrix, halved, halved), BLACK, strict=True)
    )
    return Planes(*moved)


def draw_matrix(options: Options, width: int, height: int, rng: "np.random.Generator") -> "Matrix":
    """Draw the 2 x 3 matrix that takes a point of the clip to a point of its copy, in the set's mode."""
    if options.mode == "legacy":
        seed = rng.bit_generator.seed_seq.entropy  # type: ignore[attr-defined]  # numpy's stubs lack it
        return draw_legacy(random.Random(seed))  # the published tool draws with Python's generator
    return draw_relative(options, width, height, rng)


def draw_legacy(rng: random.Random) -> "Matrix":
    """Draw as the study's augmentation tool does (video_augmentation, transformation `aff`).

    A triangle near the top left corner, whole pixels jittered by 3, is mapped to itself jittered by 10:
    the effect on the picture depends on its size, and a reflection cannot occur.
    """
    import numpy as np

    corners = [(50, 50), (100, 50), (50, 200)]
    source = np.array([[rng.randint(x - 3, x + 3), rng.randint(y - 3, y + 3)] for x, y in corners], float)
    target = source + [[rng.randint(-10, 10), rng.randint(-10, 10)] for _ in corners]
    return np.linalg.solve(np.column_stack([source, np.ones(3)]), target).T


def draw_relative(options: Options, width: int, height: int, rng: "np.random.Generator") -> "Matrix":
    """Draw rotation, scale, shear, translation and reflection about the centre of the frame.

    Every part is drawn always and multiplied by its limit, so that switching one off leaves the others as they were.
    """
    import numpy as np

    angle, scale, shear, right, down = rng.uniform(-1, 1, 5)
    mirrored = rng.random() < options.reflection
    angle = np.radians(options.rotation * angle)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sheared = np.array([[1, options.shear * shear], [0, 1]])
    linear = (1 + options.scale * scale) * rotation @ sheared @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = options.translation * np.array([right * width, down * height])
    return np.column_stack([linear, centre + shift - linear @ centre])
