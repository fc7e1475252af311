"""The face-swap methods: each is a folder of methods/, found by its name, and declared in its method.py.

Nothing heavy at the top of those declarations: params.yaml is checked by commands that start in a quarter of a second.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny
from pydantic.dataclasses import dataclass as section

from calse.config.sections import STRICT, Name, Positive, Seed, Share, adapter_of, refusal
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.runtime.plugins import load_plugin, load_plugins

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calse.config.params import Params
    from calse.data.paths import Layout
    from calse.landmarks.record import Landmarks

    Pictures = NDArray[np.uint8]

METHODS = Path(__file__).with_name("methods")
INFO = "model.json"


@section(frozen=True, config=STRICT)
class MethodSettings:
    """How a method makes the model of a donor: its section of params.yaml, `swap-train.<method>`."""


@section(frozen=True, config=STRICT)
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


@dataclass(frozen=True)
class Method:
    """A way to put a donor's face on a signer: it makes a model for a set, and swaps the faces of a clip with it.

    `settings` and `options` are the types of its sections of params.yaml. A model is a folder: INFO, which explains it,
    and the `file` that swaps depend on, which may be INFO itself. What a method does lies beside its declaration and is
    imported when it is needed: the function `train` in model/train.py, `load` and `convert` in convert.py.
    """

    name: str
    settings: Any = MethodSettings
    options: Any = SwapSet
    file: str = INFO

    def train(self, params: "Params", layout: "Layout", set_name: str) -> None:
        """Write the model of a set, `layout.swap_model(set_name)`, and `metrics/swap-train/<set>.csv`."""
        self._function("model/train.py", "train")(params, layout, set_name)

    def fingerprint(self, folder: Path) -> str:
        """Return the sha256 of a model. Raises CalseError naming what is missing of it."""
        check_model(folder, self.file)
        return sha256_of(folder / self.file)

    def load(self, layout: "Layout", folder: Path) -> Any:
        """Return a model, ready to swap with. Raises CalseError naming a missing or damaged file."""
        return self._function("convert.py", "load")(layout, folder)

    def convert(self, frames: "Pictures", landmarks: "Landmarks", model: Any, options: Any) -> "Pictures":
        """Return frames `T x H x W x 3` with the donor's face where the landmarks have one.

        Pixels outside the face and on hands in front of it keep their values to the bit.
        """
        swapped: Pictures = self._function("convert.py", "convert")(frames, landmarks, model, options)
        return swapped

    def _function(self, file: str, name: str) -> Any:
        """Return a function of the method. Raises CalseError naming the file that lacks it."""
        module = f"{__package__}.methods.{self.name}.{file.removesuffix('.py').replace('/', '.')}"
        return getattr(load_plugin(module, METHODS / self.name / file, name), name)


def check_model(folder: Path, file: str) -> None:
    """Raise CalseError naming what a model lacks: INFO or its file."""
    for name in (INFO, file):
        if not (folder / name).is_file():
            raise CalseError(f"{folder / name} is missing; {how_to_mend(folder)}")


def how_to_mend(folder: Path) -> str:
    """Return what brings the model of a set back."""
    return f"`dvc checkout` or `dvc repro swap-train@{folder.name}` brings it back"


@cache
def methods() -> dict[str, Method]:
    """Return every method by name. Raises CalseError naming a file that declares none of its name."""
    return load_plugins(METHODS, f"{__package__}.methods", "method", "METHOD", Method)


def find_method(name: str) -> Method:
    """Return the method of that name. Raises CalseError listing those there are."""
    if name not in methods():
        raise CalseError(f"there is no face-swap method {name!r}; those are: {', '.join(methods())}")
    return methods()[name]


def set_of(params: "Params", set_name: str) -> SwapSet:
    """Return the settings of a face-swapped set. Raises CalseError listing those there are."""
    if set_name not in params.swap:
        raise CalseError(f"swap.{set_name} is not in params.yaml; its sets are: {', '.join(params.swap) or 'none'}")
    return params.swap[set_name]


def _check_known(parameter: str, name: object) -> None:
    """Refuse the name of a method that there is not."""
    if not isinstance(name, str) or name not in methods():
        raise refusal(parameter, name, f"there is no such face-swap method; those are: {', '.join(methods())}")


def _set(value: object) -> object:
    """Turn a set as params.yaml has it into the options of its method. Raises ValidationError naming the parameter."""
    if not isinstance(value, dict) or "method" not in value:
        return value  # refused as any section is that is no mapping or lacks a parameter
    _check_known("method", value["method"])
    return adapter_of(methods()[value["method"]].options).validate_json(json.dumps(value))


def _named(sections: object) -> object:
    """Put each method's name beside its settings, which are checked by it."""
    if not isinstance(sections, dict):
        return sections
    for name in sections:
        _check_known(name, name)
    return {name: (name, settings) for name, settings in sections.items()}


def _settings(named: Any) -> Any:
    """Turn the settings of one method, as params.yaml has them, into its own."""
    name, settings = named
    if isinstance(settings, MethodSettings):
        return settings
    return adapter_of(methods()[name].settings).validate_json(json.dumps(settings))


AnySwap = Annotated[SerializeAsAny[SwapSet], BeforeValidator(_set)]
"""A face-swapped set of any method, as a section of params.yaml."""

SwapMethods = Annotated[dict[Name, Annotated[Any, BeforeValidator(_settings)]], BeforeValidator(_named)]
"""The section `swap-train`: how each method makes its models."""
