"""The kinds of augmentation set: each is a file of this folder, which is called as its file is.

A kind's file holds its parameters, `Options`, and what makes one clip:

    make(frames: Iterator[Planes], options: Options, rng: np.random.Generator) -> Iterable[Planes | RGB frames]

and may hold `facts(parent: Clip, options: Options, rng: np.random.Generator) -> dict`, plain values that the manifest
keeps of a clip beside kind and seed. Both get a generator that starts from the clip's own seed. A kind's
file is imported to read params.yaml, so it imports numpy, cv2 and the like inside functions.
"""

import json
import pkgutil
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

from pydantic import BeforeValidator, SerializeAsAny
from pydantic.dataclasses import dataclass

import calse.augment
from calse.config.sections import STRICT, Positive, Seed, adapter_of, refusal
from calse.runtime.plugins import load_plugin

NOT_KINDS = {"registry", "stage"}


@dataclass(frozen=True, config=STRICT)
class AugmentationSet:
    """What every augmentation set says, whatever its kind.

    `of` names the kind of source whose clips are copied, `clips_per_gloss` how many of them (null takes all), `copies`
    how often each. `seed` decides which clips are taken and what chance does to each copy.
    """

    kind: str
    of: Literal["public", "interpreter"]
    clips_per_gloss: Positive | None
    copies: Positive
    seed: Seed


def kinds() -> list[str]:
    """Return the names of all kinds."""
    modules = (module.name for module in pkgutil.iter_modules(calse.augment.__path__))
    return sorted(name for name in modules if name not in NOT_KINDS and not name.startswith("_"))


def kind_of(name: str) -> ModuleType:
    """Import the file of a kind. Raises CalseError when it lacks what a kind needs."""
    module = f"{__package__}.{name}"
    spec = find_spec(module)
    return load_plugin(module, Path(str(spec and spec.origin)), "Options", "make")


def set_of_kind(value: object) -> object:
    """Turn a set as params.yaml has it into the options of its kind. Raises ValidationError naming the parameter."""
    if not isinstance(value, dict) or "kind" not in value:
        return value  # refused as any section is that is no mapping or lacks a parameter
    if value["kind"] not in kinds():
        raise refusal("kind", value["kind"], f"there is no kind {value['kind']!r}; those are: {', '.join(kinds())}")
    return adapter_of(kind_of(value["kind"]).Options).validate_json(json.dumps(value))


AnySet = Annotated[SerializeAsAny[AugmentationSet], BeforeValidator(set_of_kind)]
"""A set of any kind, as a section of params.yaml."""
