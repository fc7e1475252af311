"""The face-swap methods: each is a folder of methods/, found by its name, and declared in its method.py.

Nothing heavy at the top of those declarations: params.yaml is checked by commands that start in a quarter of a second.
"""

import json
from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, SerializeAsAny
from pydantic.dataclasses import dataclass

from calse.config.sections import STRICT, Name, Positive, Seed, Share, adapter_of, refusal
from calse.runtime.additions import declared
from calse.runtime.errors import CalseError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calse.config.params import Params
    from calse.data.paths import Layout
    from calse.landmarks.record import Landmarks

METHODS = Path(__file__).with_name("methods")


@dataclass(frozen=True, config=STRICT)
class MethodSettings:
    """How a method makes the model of a donor: its section of params.yaml, `swap-train.<method>`."""


@dataclass(frozen=True, config=STRICT)
class SwapSet:
    """What every face-swapped set says, whatever its method: whose face goes onto which clips of `signers`.

    `clips_per_gloss` and `seed` choose clips as an augmentation set does. Erosion and feather of the mask are shares of
    the face's width. `min_moved` and `min_kept` are the set's thresholds: share of frames nearer to the donor,
    correlation of the expression.
    """

    method: str
    donor: Name
    signers: Name
    clips_per_gloss: Positive | None
    seed: Seed
    erode: Share
    feather: Share
    min_moved: Share
    min_kept: Share


class Method(ABC):
    """A way to put a donor's face on a signer: it makes a model for a set, and swaps the faces of a clip with it."""

    name: ClassVar[str]
    settings: ClassVar[Any] = MethodSettings
    options: ClassVar[Any] = SwapSet

    @abstractmethod
    def train(self, params: "Params", layout: "Layout", set_name: str) -> None:
        """Write the model of a set, `layout.swap_model(set_name)`, and `metrics/swap-train/<set>.csv`."""

    @abstractmethod
    def fingerprint(self, folder: Path) -> str:
        """Return the sha256 of a model. Raises CalseError naming what is missing of it."""

    @abstractmethod
    def load(self, layout: "Layout", folder: Path) -> Any:
        """Return a model, ready to swap with. Raises CalseError naming a missing or damaged file."""

    @abstractmethod
    def convert(
        self, frames: "NDArray[np.uint8]", landmarks: "Landmarks", model: Any, options: Any
    ) -> "NDArray[np.uint8]":
        """Return frames `T x H x W x 3` with the donor's face where the landmarks have one.

        Pixels outside the face and on hands in front of it keep their values to the bit.
        """


@cache
def methods() -> dict[str, Method]:
    """Return every method by name. Raises CalseError naming a file that declares none of its name."""
    return declared(METHODS, f"{__package__}.methods", "method", "METHOD", Method)


def find_method(name: str) -> Method:
    """Return the method of that name. Raises CalseError listing those there are."""
    if name not in methods():
        raise CalseError(f"there is no face-swap method {name!r}; those are: {', '.join(methods())}")
    return methods()[name]


def _check_known(parameter: str, name: object) -> None:
    if not isinstance(name, str) or name not in methods():
        raise refusal(parameter, name, f"there is no such face-swap method; those are: {', '.join(methods())}")


def _set(value: object) -> object:
    """Turn a set as params.yaml has it into the options of its method. Raises ValidationError naming the parameter."""
    if not isinstance(value, dict) or "method" not in value:
        return value  # refused as any section is that is no mapping or lacks a parameter
    _check_known("method", value["method"])
    return adapter_of(methods()[value["method"]].options).validate_json(json.dumps(value))


def _named(sections: object) -> object:
    if not isinstance(sections, dict):
        return sections
    for name in sections:
        _check_known(name, name)
    return {name: (name, settings) for name, settings in sections.items()}


def _settings(named: Any) -> Any:
    name, settings = named
    if isinstance(settings, MethodSettings):
        return settings
    return adapter_of(methods()[name].settings).validate_json(json.dumps(settings))


AnySwap = Annotated[SerializeAsAny[SwapSet], BeforeValidator(_set)]
"""A face-swapped set of any method, as a section of params.yaml."""

SwapMethods = Annotated[dict[Name, Annotated[Any, BeforeValidator(_settings)]], BeforeValidator(_named)]
"""The section `swap-train`: how each method makes its models."""
