"""The settings of the recogniser `landmarks`, as its section of params.yaml has them."""

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from calse.config.sections import STRICT
from calse.recognition.registry import Settings


@dataclass(frozen=True, config=STRICT)
class LandmarksSettings(Settings):
    """What the distance of two clips is, and what is left out of it for an ablation.

    `distance` is time warping alone (dtw), that of the encoder's embeddings alone, or both (fused). Without `body` the
    nose and the elbows count for nothing, with `hands: leading` the second hand; without `mirror` every signer is taken
    for a right-handed one.
    """

    sees_faces: ClassVar[bool] = False
    distance: Literal["dtw", "encoder", "fused"]
    hands: Literal["both", "leading"] = "both"
    body: bool = True
    mirror: bool = True
