"""The study's method: one encoder, and for each of two people a decoder that draws what the code keeps of a face.

Phaze-A's way: the network has seen both faces, so it is trained for a pair of signer and donor.
"""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from calse.config.sections import STRICT, NotNegative, Positive, Rate, Seed, Share
from calse.faceswap.registry import Method, MethodSettings, SwapSet

WEIGHTS = "model.safetensors"


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


METHOD = Method("autoencoder", Settings, Options, WEIGHTS)
