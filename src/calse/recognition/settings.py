"""The settings of a network, as its section of params.yaml has them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from calse.config.sections import DEFAULT_SEEDS, STRICT, NotNegative, Positive, Rate, Seeds, Share, Words, refusal
from calse.recognition.registry import Settings

BN_MOMENTUM = 0.1  # torch's own: the value of a parameter that a network without batch normalisation does not read


@dataclass(frozen=True, config=STRICT)
class Model:
    """The network: what it starts from and how it is regularised.

    `pretrained` is a checkpoint to start from, `width` the share of the channels; `recompute` computes layers twice, to
    the same bits, to save memory. A network that does not read one of the last three takes its default alone.
    """

    pretrained: Words | None
    dropout: Annotated[float, Field(ge=0, lt=1)]
    width: Annotated[float, Field(gt=0, le=4)] = 1
    bn_momentum: Annotated[float, Field(gt=0, le=1)] = BN_MOMENTUM
    recompute: bool = False


@dataclass(frozen=True, config=STRICT)
class Input:
    """What is shown of a clip: `frames` frames of `size` pixels, and how they are changed in training.

    `modality` is `rgb`, or `motion`: the clip's temporal mean removed, standardised. `sampling` spreads the frames over
    the clip or takes consecutive ones. A crop lies anywhere in the central share `crop` of the places that it can have;
    `flip` is a probability, `brightness` the limit of a uniform draw.
    """

    modality: Literal["rgb", "motion"]
    channel_order: Literal["rgb", "bgr"]
    frames: Annotated[int, Field(ge=1, le=10_000)]
    size: Annotated[int, Field(ge=32, le=4096)]
    sampling: Literal["uniform", "consecutive"]
    flip: Share
    brightness: Share
    crop: Share = 1


@dataclass(frozen=True, config=STRICT)
class Optim:
    """What is minimised and how.

    `micro_batch` splits a batch to save memory; a gradient whose norm is over `clip_norm` is scaled down to it.
    """

    loss: Literal["ce", "bce-localisation"]
    label_smoothing: Share
    optimiser: Literal["adam", "adamw"]
    lr: Rate
    weight_decay: NotNegative
    batch: Positive
    micro_batch: Positive | None
    precision: Literal["auto", "fp32", "bf16"]
    clip_norm: Rate | None = None

    @model_validator(mode="after")
    def _reads_every_value(self) -> "Optim":
        """Refuse values that the loss or the batch would leave unread."""
        if self.loss == "bce-localisation" and self.label_smoothing:
            why = "the loss bce-localisation does not read it; set 0, or the loss ce"
            raise refusal("label_smoothing", self.label_smoothing, why)
        if self.micro_batch is not None and self.micro_batch > self.batch:
            why = f"{self.micro_batch} is more than optim.batch, which is {self.batch}, and would split nothing"
            raise refusal("micro_batch", self.micro_batch, f"{why}; set null, or at most {self.batch}")
        return self


@dataclass(frozen=True, config=STRICT)
class Schedule:
    """How long is trained, and the learning rate on the way: `constant`, or `one-cycle` up to optim.lr and down.

    `warmup` is the share of the steps on which it rises; null is 0 of a constant one and 0.3 of a cycle.
    """

    kind: Literal["constant", "one-cycle"]
    epochs: Positive
    warmup: Annotated[float, Field(ge=0, lt=1)] | None = None


@dataclass(frozen=True, config=STRICT)
class NetworkSettings(Settings):
    """How a network is trained, once for each test source and seed, on so many CPU threads: sums depend on them."""

    model: Model
    input: Input
    optim: Optim
    schedule: Schedule
    threads: Positive
    seeds: Seeds = DEFAULT_SEEDS
