"""A method without training: the donor's own pictures, driven by the mesh of the signer's face."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic.dataclasses import dataclass

from calse.config.sections import STRICT, NotNegative, Positive, Share
from calse.faceswap.registry import Method, MethodSettings, SwapSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calse.config.params import Params
    from calse.data.paths import Layout
    from calse.landmarks.record import Landmarks


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


class Mesh(Method):
    """The model is made of the donor's clips alone: no fold can leak through it, and it swaps onto anybody."""

    name: ClassVar[str] = "mesh"
    settings: ClassVar[Any] = Settings
    options: ClassVar[Any] = Options

    def train(self, params: "Params", layout: "Layout", set_name: str) -> None:
        """Collect the donor's library of pictures."""
        from calse.faceswap.methods.mesh.model.train import train

        train(params, layout, set_name)

    def fingerprint(self, folder: Path) -> str:
        """Return the sha256 of the library."""
        from calse.faceswap.methods.mesh.model.train import library_hash

        return library_hash(folder)

    def load(self, layout: "Layout", folder: Path) -> Any:
        """Return the library and how a face's points are joined."""
        from calse.faceswap.methods.mesh.model.train import load

        return load(layout, folder)

    def convert(
        self, frames: "NDArray[np.uint8]", landmarks: "Landmarks", model: Any, options: Any
    ) -> "NDArray[np.uint8]":
        """Draw the donor's pictures onto the signer's mesh."""
        from calse.faceswap.methods.mesh.convert import convert

        return convert(frames, landmarks, model, options)


METHOD = Mesh()
