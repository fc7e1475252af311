"""The sections of params.yaml as frozen, typed records: what each parameter may be."""

from datetime import date
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import InitErrorDetails, PydanticCustomError

# Deferred: a worker that is handed a section has no need of its validator.
STRICT = ConfigDict(extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True, defer_build=True)
Positive = Annotated[int, Field(gt=0, le=10**9)]
NotNegative = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1e30, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]
NAME, LONGEST_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$", 64
Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME)]
Words = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*$", max_length=300)]


def refusal(parameter: str | tuple[str, ...], value: object, why: str) -> ValidationError:
    """Return the error that refuses a value of a parameter, named as seen from the section that raises it."""
    where = (parameter,) if isinstance(parameter, str) else parameter
    kind = PydanticCustomError("refused", "{why}", {"why": why})
    return ValidationError.from_exception_data("section", [InitErrorDetails(type=kind, loc=where, input=value)])


@cache
def adapter_of(section: type) -> TypeAdapter[Any]:
    """Return what checks a section; to make it takes longer than to check."""
    return TypeAdapter(section)


def _once(values: tuple[object, ...]) -> tuple[object, ...]:
    """Refuse a list that names something twice."""
    for value in values:
        if values.count(value) > 1:
            raise PydanticCustomError("refused", "{value} is named twice", {"value": repr(value)})
    return values


def _a_day(text: str) -> str:
    """Refuse what is no date; return it as YYYY-MM-DD."""
    try:
        return text and date.fromisoformat(text).isoformat()
    except ValueError:
        raise PydanticCustomError("refused", "write a day as '2027-12-31', in quotes") from None


Day = Annotated[str, AfterValidator(_a_day)]
"""A date as text, or nothing; text, because DVC cannot hash a date."""
Once = AfterValidator(_once)
"""Of a list that names nothing twice."""
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), Once]
DEFAULT_SEEDS = (1,)
"""The seeds where none are given."""


@dataclass(frozen=True, config=STRICT)
class Source:
    """Who recorded clips. `public` sources are dictionaries and can be held out; interpreters always train.

    A `donor` lends the face for a swap and takes no part in recognition, so its glosses are not counted.
    `clips_per_gloss` is exact; null means at least one, 0 any number. The rest is what its people allow
    (data/consent.py): to be trained on, to lend a face or be given one, to be seen on pages, to leave this machine,
    until which day; `licence` and `consent` are for people to read.
    """

    kind: Literal["public", "interpreter", "donor"]
    clips_per_gloss: Annotated[int, Field(ge=0, le=10**9)] | None
    licence: Words = ""
    consent: Words = ""
    train: bool = True
    swap: bool = True
    show: bool = True
    share: bool = True
    until: Day = ""

    @model_validator(mode="after")
    def _counts_no_donors_clips(self) -> "Source":
        if self.kind == "donor" and self.clips_per_gloss is not None:
            raise refusal("clips_per_gloss", self.clips_per_gloss, "a donor's are not counted; set null")
        return self


@dataclass(frozen=True, config=STRICT)
class Corpus:
    """The collection of raw videos under study; `glosses` is how many its glossary must list."""

    name: Name
    glosses: Positive
    sources: dict[Name, Source]


@dataclass(frozen=True, config=STRICT)
class Synthesis:
    """A corpus made of code. `short_side` is in pixels; of `without`, signers, sources or clips, nothing is made."""

    glosses: Positive
    short_side: Positive
    donor_clips: Positive
    seed: Seed
    without: Annotated[tuple[Words, ...], Once] = ()


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

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> "Validate":
        for what in ("frames", "side", "fps"):
            least, most = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if least > most:
                raise refusal(f"min_{what}", least, f"{least:g} is more than max_{what}, which is {most:g}")
        return self


@dataclass(frozen=True, config=STRICT)
class LandmarkSettings:
    """In which sources landmarks are found, and how: faces are detected afresh every so many frames, and when presence
    falls under its limit. A face narrower than `min_width` (share of the frame's width) is left alone.
    """

    sources: Annotated[tuple[Name, ...], Once]
    detect_every: Positive
    min_presence: Share
    min_width: Share


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Which sets join the training clips; in the file a plain list of sets says the same in short.

    `equal_steps` trains as many optimiser steps as the filmed clips alone would take, so that more clips are not also
    more training; `seeds` takes the place of a recogniser's own. `permute` shuffles the glosses of the training clips:
    a control, which must recognise nothing.
    """

    sets: Annotated[tuple[Name, ...], Once]
    equal_steps: bool = False
    permute: bool = False
    seeds: Seeds | None = None

    @model_validator(mode="after")
    def _equal_steps_to_others(self) -> "Recipe":
        if self.equal_steps and not self.sets:
            why = "without sets a training takes these steps anyway; set false, or name sets"
            raise refusal("equal_steps", True, why)
        return self


def _in_full(recipe: object) -> object:
    """Write a recipe's short form in full; tuples, because a strict check takes no other sequence from Python."""
    if isinstance(recipe, Recipe):
        return recipe
    full = recipe if isinstance(recipe, dict) else {"sets": recipe}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in full.items()}


RecipeOrSets = Annotated[Recipe, BeforeValidator(_in_full)]


@dataclass(frozen=True, config=STRICT)
class Pretrain:
    """From how many random signs, performed how often, and in how many steps the encoder of signing is learned."""

    signs: Annotated[int, Field(ge=2, le=10**6)]
    takes: Annotated[int, Field(ge=2, le=10**3)]
    steps: Positive
    seed: Seed


@dataclass(frozen=True, config=STRICT)
class Evaluate:
    """Which top-K are counted."""

    topk: Annotated[tuple[Positive, ...], Field(min_length=1), Once]


@dataclass(frozen=True, config=STRICT)
class Report:
    """What the report page shows: frames of clips show people, so they are a choice."""

    show_faces: bool
