"""The study's method: one encoder, and for each of two people a decoder that draws what the code keeps of a face."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from calse.config.sections import STRICT, NotNegative, Positive, Rate, Seed, Share
from calse.faceswap.registry import Method, MethodSettings, SwapSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calse.config.params import Params
    from calse.data.paths import Layout
    from calse.landmarks.record import Landmarks


@dataclass(frozen=True, config=STRICT)
class Settings(MethodSettings):
    """How the network is trained; `size` is the output face's in pixels, `channels` the first stage's.

    `augment` scales the random changes of place and colour; 1 is what the study's tool does.
    """

    size: Annotated[int, Field(ge=32, le=1024, multiple_of=32)]
    channels: Positive
    code: Positive
    iterations: Positive
    batch: Positive
    lr: Rate
    eyes_weight: NotNegative
    mouth_weight: NotNegative
    augment: Share
    preview_every: Positive
    precision: Literal["auto", "fp32", "bf16"]
    threads: Positive
    seed: Seed


@dataclass(frozen=True, config=STRICT)
class Options(SwapSet):
    """`smoothing` is the half-life of the alignment filter in frames; 0 is none."""

    smoothing: NotNegative = 1


class Autoencoder(Method):
    """Phaze-A's way: a network that has seen both faces, so it is trained for a pair of signer and donor."""

    name: ClassVar[str] = "autoencoder"
    settings: ClassVar[Any] = Settings
    options: ClassVar[Any] = Options

    def train(self, params: "Params", layout: "Layout", set_name: str) -> None:
        """Train, or go on where an interrupted training stopped."""
        from calse.faceswap.methods.autoencoder.model.train import train
        from calse.runtime.repository import scratch

        every = params.swap_train[self.name].preview_every
        print(f"look at what the network makes of faces, every {every} iterations: {scratch() / 'previews' / set_name}")
        train(params, layout, set_name)

    def fingerprint(self, folder: Path) -> str:
        """Return the sha256 of the weights."""
        from calse.faceswap.methods.autoencoder.model.checkpoint import model_hash

        return model_hash(folder)

    def load(self, layout: "Layout", folder: Path) -> Any:
        """Return the network."""
        from calse.faceswap.methods.autoencoder.model.checkpoint import load_model

        return load_model(folder)[0]

    def convert(
        self, frames: "NDArray[np.uint8]", landmarks: "Landmarks", model: Any, options: Any
    ) -> "NDArray[np.uint8]":
        """Draw the donor's face with each frame's own expression."""
        from calse.faceswap.methods.autoencoder.convert import convert

        return convert(frames, landmarks, model, options)


METHOD = Autoencoder()
