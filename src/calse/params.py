"""params.yaml as a frozen, typed tree: the only reader of that file, and the place where wrong values are refused."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from calse.errors import CalseError
from calse.recognisers import check_recogniser

STRICT = ConfigDict(extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)
Positive = Annotated[int, Field(gt=0, le=10**9)]
NotNegative = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1e30, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]


@dataclass(frozen=True, config=STRICT)
class Source:
    """Who recorded clips. `public` sources are dictionaries and can be held out; interpreters always train.

    A `donor` lends the face for a swap and takes no part in recognition, so its glosses are not counted.
    `clips_per_gloss` is exact; null means at least one.
    """

    kind: Literal["public", "interpreter", "donor"]
    clips_per_gloss: Positive | None


@dataclass(frozen=True, config=STRICT)
class Corpus:
    """The collection of raw videos under study; `glosses` is how many its glossary must list."""

    name: Name
    glosses: Positive
    sources: dict[Name, Source]


@dataclass(frozen=True, config=STRICT)
class Synthesis:
    """A corpus made of code. `short_side` is in pixels."""

    glosses: Positive
    short_side: Positive
    donor_clips: Positive
    seed: Seed


@dataclass(frozen=True, config=STRICT)
class Ingest:
    """What every clip is brought to, and what happens to one that does not decode."""

    short_side: Annotated[int, Field(ge=16, le=4096)]
    fps: Annotated[float, Field(gt=0, le=240)]
    on_bad_clip: Literal["fail", "drop"]
    seconds_per_clip: Positive


@dataclass(frozen=True, config=STRICT)
class Validate:
    """Limits of the gate: frames and pixels of a raw clip, and how far frame rates may go."""

    min_frames: Positive
    max_frames: Positive
    min_side: Positive
    max_side: Positive
    min_fps: NotNegative
    max_fps: NotNegative


@dataclass(frozen=True, config=STRICT)
class AffineSet:
    """One affine augmentation set. Each relative magnitude is a limit; 0 switches it off.

    `of` names the kind of source whose clips are copied; `clips_per_gloss` how many of them (drawn by
    `seed`; null takes all); rotation is in degrees, scale, shear and translation are shares of 1, of 1
    and of the frame, reflection is a probability.
    """

    of: Literal["public", "interpreter"]
    clips_per_gloss: Positive | None
    copies: Positive
    mode: Literal["relative", "legacy"]
    seed: Seed
    rotation: NotNegative
    scale: Share
    shear: Share
    translation: Share
    reflection: Share
    border: Literal["black", "replicate"]


@dataclass(frozen=True, config=STRICT)
class Faces:
    """In which sources faces are followed, and how: detected afresh every so many frames, and when presence falls
    under its limit. A face narrower than `min_width` (share of the frame's width) is left alone.
    """

    sources: tuple[Name, ...]
    detect_every: Positive
    min_presence: Share
    min_width: Share


@dataclass(frozen=True, config=STRICT)
class SwapTrain:
    """How a donor's face-swap model is trained; `size` is the output face's in pixels, `channels` the first stage's.

    `signers` is the interpreter source whose faces it learns to replace: one that is never tested on. `augment` scales
    the random changes of place and colour; 1 is what the study's tool does.
    """

    signers: Name
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
class SwapSet:
    """One face-swapped set: whose face goes onto which clips.

    `of` and `clips_per_gloss` choose clips as an affine set does. Erosion and feather of the mask are shares of
    the face's width, `smoothing` is the half-life of the alignment filter in frames (0: none). `min_moved` and
    `min_kept` are the set's thresholds: share of frames nearer to the donor, correlation of the expression.
    """

    donor: Name
    of: Literal["public", "interpreter"]
    clips_per_gloss: Positive | None
    seed: Seed
    erode: Share
    feather: Share
    smoothing: NotNegative
    min_moved: Share
    min_kept: Share


@dataclass(frozen=True, config=STRICT)
class Train:
    """How the recogniser is trained, once for each test source and seed."""

    model: Literal["i3d", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t"]
    width: Annotated[float, Field(gt=0, le=4)]
    pretrained: str | None
    input: Literal["rgb", "motion"]
    channel_order: Literal["rgb", "bgr"]
    frames: Annotated[int, Field(ge=9, le=10_000)]
    size: Annotated[int, Field(ge=32, le=4096)]
    sampling: Literal["uniform", "consecutive"]
    flip: Share
    brightness: Share
    epochs: Positive
    batch: Positive
    micro_batch: Positive | None
    loss: Literal["ce", "bce-localisation"]
    label_smoothing: Share
    optimiser: Literal["adam", "adamw"]
    lr: Rate
    weight_decay: NotNegative
    schedule: Literal["constant", "one-cycle"]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    bn_momentum: Annotated[float, Field(gt=0, le=1)]
    precision: Literal["auto", "fp32", "bf16"]
    threads: Positive
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Which sets join the training clips; in the file a plain list of sets says the same in short.

    `equal_steps` trains as many optimiser steps as the filmed clips alone would take, so that more clips are not also
    more training; `seeds` takes the place of train.seeds.
    """

    sets: tuple[Name, ...]
    equal_steps: bool = False
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] | None = None


def _in_full(recipe: object) -> object:
    """Write a recipe's short form in full; tuples, because a strict check takes no other sequence from Python."""
    if isinstance(recipe, Recipe):
        return recipe
    full = recipe if isinstance(recipe, dict) else {"sets": recipe}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in full.items()}


@dataclass(frozen=True, config=STRICT)
class Evaluate:
    """Which top-K are counted."""

    topk: Annotated[tuple[Positive, ...], Field(min_length=1)]


@dataclass(frozen=True, config=STRICT)
class Report:
    """What the report page shows: frames of clips show people, so they are a choice."""

    show_faces: bool


@dataclass(frozen=True, config=STRICT)
class Params:
    """All of params.yaml: one section a stage."""

    corpus: Corpus
    synthesise: dict[Name, Synthesis]
    ingest: Ingest
    validate: Validate
    affine: dict[Name, AffineSet]
    face_models: Annotated[tuple[Literal["published"], ...], Field(alias="face-models")]
    faces: Faces
    omit: tuple[Name, ...]
    donors: tuple[Name, ...]
    swap_train: Annotated[SwapTrain, Field(alias="swap-train")]
    swap: dict[Name, SwapSet]
    recipes: dict[Name, Annotated[Recipe, BeforeValidator(_in_full)]]
    test_sources: Annotated[tuple[Name, ...], Field(min_length=1)]
    train: Train
    evaluate: Evaluate
    report: Report

    @property
    def filmed(self) -> list[str]:
        """The sources that train and test: all but donors."""
        return [name for name, source in self.corpus.sources.items() if source.kind != "donor"]

    @property
    def sets(self) -> dict[str, AffineSet | SwapSet]:
        """Every augmentation set that a recipe can name."""
        return {**self.affine, **self.swap}

    def seeds_of(self, recipe: str) -> tuple[int, ...]:
        """Return the seeds of a recipe's trainings: its own, or train.seeds."""
        return self.recipes[recipe].seeds or self.train.seeds

    def sources_of(self, kind: str) -> list[str]:
        """Return the names of the sources of one kind, in the file's order."""
        return [name for name, source in self.corpus.sources.items() if source.kind == kind]


def read_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check params.yaml. Raises CalseError naming the parameter and what is wrong with it."""
    try:
        tree = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CalseError(f"{path} is missing; run from the repository root, or: calse preset synthetic") from None
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        raise CalseError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    return check_params(tree, path)


def check_params(tree: object, path: Path = Path("params.yaml")) -> Params:
    """Turn a parsed tree into Params. Raises CalseError naming the parameter and what is wrong with it."""
    try:
        params = TypeAdapter(Params).validate_json(json.dumps(tree))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "[key]") or "the file"
        hint = (
            f", not {first['input']!r:.100}" if first["type"] not in ("missing", "unexpected_keyword_argument") else ""
        )
        raise CalseError(f"{path}: {where}: {_plain(first['type'], first['msg'])}{hint}") from None
    except (TypeError, ValueError, RecursionError) as error:  # a date, a set, an alias to what it is in
        raise CalseError(f"{path}: only text keys and plain values are allowed: {error}") from None
    _check_names(params, path)
    _check_lists(params, path)
    check_recogniser(params.train, path)
    return params


def _plain(kind: str, message: str) -> str:
    if kind == "missing":
        return "this parameter is missing"
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return "no such parameter; see the names in presets/synthetic.yaml"
    return message[0].lower() + message[1:]


def _check_names(params: Params, path: Path) -> None:
    """Refuse a name that refers to nothing, or to two things."""
    publics, donors = params.sources_of("public"), params.sources_of("donor")
    for name in params.test_sources:
        _known(f"{path}: test_sources", name, publics, "a public source")
    for name in params.faces.sources:
        _known(f"{path}: faces.sources", name, list(params.corpus.sources), "a source")
    for name in params.omit:
        _known(
            f"{path}: omit",
            name,
            [s for s in params.test_sources if s in params.faces.sources],
            "a test source of faces",
        )
    for name in params.donors:
        _known(
            f"{path}: donors", name, [s for s in donors if s in params.faces.sources], "a source of kind donor in faces"
        )
    if params.donors:
        _known(
            f"{path}: swap-train.signers", params.swap_train.signers, params.sources_of("interpreter"), "an interpreter"
        )
    for set_name, swap_set in params.swap.items():
        _known(f"{path}: swap.{set_name}.donor", swap_set.donor, list(params.donors), "one of `donors`")
        if set_name in params.affine:
            raise CalseError(f"{path}: swap.{set_name}: an affine set has that name already; choose another")
    for name, recipe in params.recipes.items():
        for set_name in recipe.sets:
            _known(f"{path}: recipes.{name}", set_name, list(params.sets), "an augmentation set")


def _check_lists(params: Params, path: Path) -> None:
    """Refuse a list that names something twice, and limits the wrong way round."""
    lists: dict[str, tuple[object, ...]] = {
        "test_sources": params.test_sources,
        "faces.sources": params.faces.sources,
        "omit": params.omit,
        "donors": params.donors,
        "train.seeds": params.train.seeds,
        "evaluate.topk": params.evaluate.topk,
    }
    for recipe, settings in params.recipes.items():
        lists |= {f"recipes.{recipe}.sets": settings.sets, f"recipes.{recipe}.seeds": settings.seeds or ()}
    for name, values in lists.items():
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise CalseError(f"{path}: {name}: {twice!r} is named twice")
    limits = dataclasses.asdict(params.validate)
    for what in ("frames", "side", "fps"):
        if limits[f"min_{what}"] > limits[f"max_{what}"]:
            raise CalseError(f"{path}: validate.min_{what}: is larger than validate.max_{what}")


def _known(where: str, name: str, names: list[str], what: str) -> None:
    if name not in names:
        raise CalseError(f"{where}: {name!r} is not {what}; those are: {', '.join(names) or 'none'}")


def as_dict(section: object) -> dict[str, object]:
    """Return a params section as plain values, for JSON and MLflow."""
    return dict(dataclasses.asdict(section))  # type: ignore[call-overload]
