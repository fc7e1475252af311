"""params.yaml as a frozen, typed tree: the only reader of that file, and the place where wrong values are refused."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from calse.augment.registry import AnySet, AugmentationSet
from calse.config.consistency import check_consistency
from calse.config.renamed import check_renamed
from calse.config.sections import (
    STRICT,
    Corpus,
    Evaluate,
    Ingest,
    LandmarkSettings,
    Name,
    Once,
    Pretrain,
    Recipe,
    RecipeOrSets,
    Report,
    Source,
    Synthesis,
    Validate,
    adapter_of,
)
from calse.faceswap.registry import AnySwap, SwapMethods, SwapSet
from calse.recognition.registry import Recognisers
from calse.runtime.errors import CalseError

__all__ = [
    "AugmentationSet",
    "Corpus",
    "Ingest",
    "LandmarkSettings",
    "Params",
    "Pretrain",
    "Recipe",
    "Report",
    "Source",
    "SwapSet",
    "Synthesis",
    "Validate",
    "as_dict",
    "check_params",
    "flat",
    "read_params",
    "without_folder",
]


@dataclass(frozen=True, config=STRICT)
class Params:
    """All of params.yaml: one section a stage."""

    corpus: Corpus
    synthesise: dict[Name, Synthesis]
    ingest: Ingest
    validate: Validate
    augment: dict[Name, AnySet]
    landmarks: LandmarkSettings
    omit: Annotated[tuple[Name, ...], Once]
    swap_train: Annotated[SwapMethods, Field(alias="swap-train")]
    swap: dict[Name, AnySwap]
    recipes: dict[Name, RecipeOrSets]
    test_sources: Annotated[tuple[Name, ...], Field(min_length=1), Once]
    validation_source: Name | None
    pretrain: Pretrain
    train: Recognisers
    evaluate: Evaluate
    report: Report

    @property
    def filmed(self) -> list[str]:
        """The sources that train, validate and test: all but donors."""
        return [name for name, source in self.corpus.sources.items() if source.kind != "donor"]

    @property
    def sets(self) -> dict[str, AugmentationSet | SwapSet]:
        """Every augmentation set that a recipe can name."""
        return {**self.augment, **self.swap}

    def seeds_of(self, recogniser: str, recipe: str) -> tuple[int, ...]:
        """Return the seeds of a recogniser's trainings on a recipe: the recipe's or its own; 1 if it draws nothing."""
        own: tuple[int, ...] | None = getattr(self.train[recogniser], "seeds", None)
        return (self.recipes[recipe].seeds or own) if own else (1,)

    def sources_of(self, kind: str) -> list[str]:
        """Return the names of the sources of one kind, in the file's order."""
        return [name for name, source in self.corpus.sources.items() if source.kind == kind]


def read_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check params.yaml. Raises CalseError naming the parameter and what is wrong with it."""
    try:
        return _parsed(path.read_text(encoding="utf-8"), path)
    except FileNotFoundError:
        raise CalseError(f"{path} is missing; run from the repository root, or: calse preset synthetic") from None
    except (YAMLError, ValueError) as error:
        raise CalseError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


@cache
def _parsed(text: str, path: Path) -> Params:
    """Return what a text says; a stage asks twice, and it takes a quarter of a second."""
    return check_params(YAML(typ="safe", pure=True).load(text), path)


def check_params(tree: object, path: Path = Path("params.yaml")) -> Params:
    """Turn a parsed tree into Params. Raises CalseError naming the parameter and what is wrong with it."""
    if isinstance(tree, dict) and tree.get("landmarks") in (False, "off"):
        raise CalseError(
            f"{path}: landmarks: DVC needs a list here; to do without: calse preset NAME --without landmarks"
        )
    check_renamed(tree, path)
    try:
        params: Params = adapter_of(Params).validate_json(json.dumps(tree))
    except ValidationError as error:
        raise CalseError(f"{path}: {_flaw(error)}") from None
    except (TypeError, ValueError, RecursionError) as error:  # a date, a set, an alias to what it is in
        raise CalseError(f"{path}: only text keys and plain values are allowed, a date in quotes: {error}") from None
    check_consistency(params, path)
    return params


def _flaw(error: ValidationError) -> str:
    """Return which parameter is wrong and why, and its value where the reason does not say it: the first flaw found."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "[key]") or "the file"
    if first["type"] == "missing":
        return f"{where}: this parameter is missing"
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{where}: no such parameter; delete it, or see the names in presets/synthetic.yaml"
    value = "" if first["type"] == "refused" else f", not {first['input']!r:.100}"
    return f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}{value}"


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested values under dotted names; an empty mapping is a value."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def without_folder(value: Any) -> Any:
    """Return a parameter as others may see it: of an absolute path only the name, not whose machine it is on."""
    return value.rsplit("/", 1)[-1] if isinstance(value, str) and value.startswith("/") else value


def as_dict(section: object) -> dict[str, object]:
    """Return a params section as plain values, for JSON and MLflow."""
    return dict(dataclasses.asdict(section))  # type: ignore[call-overload]
