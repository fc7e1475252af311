"""A method without training: the donor's own pictures, driven by the mesh of the signer's face.

The model is made of the donor's clips alone: no fold can leak through it, and it swaps onto anybody.
"""

from typing import Literal

from pydantic.dataclasses import dataclass

from calse.config.sections import STRICT, NotNegative, Positive, Share
from calse.faceswap.registry import Method, MethodSettings, SwapSet

LIBRARY = "library.safetensors"


@dataclass(frozen=True, config=STRICT)
class Settings(MethodSettings):
    """`frames` is how many pictures of a donor are kept at most."""

    frames: Positive


@dataclass(frozen=True, config=STRICT)
class Options(SwapSet):
    """How much of the donor is drawn.

    `shape` is how far the inner face takes the donor's proportions; the outline stays the signer's. Eyes and mouth
    (what shows between the lips) are the signer's own pixels, which keep gaze, blinks, teeth and tongue, or the
    donor's. `smoothing` is the half-life of the mesh's filter in frames; 0 is none.
    """

    smoothing: NotNegative = 0
    shape: Share = 0.5
    eyes: Literal["signer", "donor"] = "signer"
    mouth: Literal["signer", "donor"] = "signer"


METHOD = Method("mesh", Settings, Options, LIBRARY)
