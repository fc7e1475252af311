"""Which recognisers there are: each is a folder of architectures/, found by its name, and declared in recogniser.py.

No torch here and none in those declarations outside of methods: what params.yaml asks for is checked by commands that
start in a quarter of a second, before anything decodes.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, SerializeAsAny
from pydantic.dataclasses import dataclass as section

from calse.config.sections import STRICT, Name, adapter_of, refusal
from calse.runtime.errors import CalseError
from calse.runtime.plugins import load_plugins

if TYPE_CHECKING:
    import numpy as np

    from calse.config.params import Params
    from calse.data.clips import Clip
    from calse.data.paths import Layout
    from calse.recognition.training.jobs import Job

    Scores = tuple[np.ndarray, np.ndarray]

ARCHITECTURES = Path(__file__).with_name("architectures")
OTHER_MODELS = {"encoder", "faceswap", "published"}  # folders of models/ beside those of recognisers


@section(frozen=True, config=STRICT)
class Settings:
    """A recogniser's section of params.yaml, `train.<name>`; it checks itself.

    One with a field `seeds` is trained once for each of them, one without once, as seed 1. A field `threads` is how
    many a training computes with, else 1. `sees_faces` is false where a recogniser is given hands and body alone.
    """

    sees_faces: ClassVar[bool] = True


@dataclass(frozen=True)
class Recogniser(ABC):
    """What recognises signs: it is trained on a recipe's clips, and scores the clips of the source held out."""

    name: str
    settings: ClassVar[Any] = Settings
    needs: ClassVar[str] = "numpy"
    """The module that its trainings' processes start with: imported once for all of them."""
    code: ClassVar[tuple[str, ...]] = ()
    """Files of `calse` outside its folder, as "landmarks/record.py", that shape what it makes and no other recogniser.

    The stage `inputs` lists what they do by hash, so that another recogniser's trainings do not follow them.
    """

    def check(self, settings: Any) -> None:  # noqa: B027  # most have nothing to add to what the section checks itself
        """Raise pydantic's ValidationError (`refusal`) when a value of its section does not go with it."""

    def reads(self, params: "Params", layout: "Layout") -> list[Path]:
        """Return the files that trainings and scores depend on beside the clips themselves.

        The stage `inputs` lists them with their hashes. It runs again when the recogniser's section or folder changes,
        data/landmarks or models/encoder: a file elsewhere that changes under its old name is not noticed.
        """
        return []

    @abstractmethod
    def facts(self, settings: Any, layout: "Layout", clips: "list[Clip]", equal_steps: bool) -> dict[str, Any]:
        """Return what a training on these clips is known by beside its settings and clips, as plain values.

        `steps` and `epochs` among them. With `equal_steps` the filmed clips alone decide on them.
        """

    @abstractmethod
    def prepare(self, clips: "list[Clip]", layout: "Layout", settings: Any) -> list[Path]:
        """Return a file for each clip: what `load` opens. Raises CalseError naming the clip that is wrong.

        A clip's frames are `read_frames(verify(clip, layout.root))`.
        """

    @abstractmethod
    def load(self, path: Path) -> Any:
        """Return the input that is in a file."""

    @abstractmethod
    def view(self, video: Path, fps: float, short_side: int, settings: Any) -> tuple[Any, list[str]]:
        """Return any video's input, brought to this rate and short side, and why it may not be as it was filmed.

        Called in a sandbox. Raises CalseError saying what is wrong with the video.
        """

    @abstractmethod
    def train(self, job: "Job", tell: Callable[..., None]) -> None:
        """Train one run: write its checkpoint and its curve, or take those that were made before.

        Glosses are `job.labels`, places in `job.info["classes"]`: a control permutes them. `job.info` is written to
        `job.checkpoint.with_suffix(".json")`, the curve as a CSV with a column `epoch` to `job.curve`. `tell` is called
        with `started` and `job.info`, `epoch` with its number and metrics (`loss` and `accuracy` at least), `finished`;
        or with `taken` alone. Called in a process of its own. architectures/landmarks/recogniser.py is an example.
        """

    @abstractmethod
    def scorer(self, checkpoint: Path) -> "Callable[[Iterable[Any]], list[Scores]]":
        """Return what gives scores K and probabilities K of inputs. Raises CalseError naming a damaged checkpoint."""


@cache
def recognisers() -> dict[str, Recogniser]:
    """Return every recogniser by name. Raises CalseError naming a file that declares none of its name."""
    found = load_plugins(ARCHITECTURES, f"{__package__}.architectures", "recogniser", "RECOGNISER", Recogniser)
    for name in OTHER_MODELS & found.keys():
        raise CalseError(f"{ARCHITECTURES / name}: models/{name} holds other models; call this recogniser otherwise")
    return found


def find_recogniser(name: str) -> Recogniser:
    """Return the recogniser of that name. Raises CalseError listing those there are."""
    if name not in recognisers():
        raise CalseError(f"there is no recogniser {name!r}; those are: {', '.join(recognisers())}")
    return recognisers()[name]


def parsed_settings(name: str, value: object) -> Any:
    """Return a recogniser's settings from plain values. Raises ValidationError naming the parameter."""
    recogniser = find_recogniser(name)
    settings = adapter_of(recogniser.settings).validate_json(json.dumps(value))
    recogniser.check(settings)
    return settings


def _named(sections: object) -> object:
    """Put each recogniser's name beside its settings, which are checked by it."""
    if not isinstance(sections, dict):
        return sections  # refused as any section is that is no mapping
    for name in sections:
        if name not in recognisers():
            raise refusal(name, name, f"there is no such recogniser; those are: {', '.join(recognisers())}")
    return {name: (name, settings) for name, settings in sections.items()}


def _settings(named: Any) -> Any:
    """Turn the settings of one recogniser, as params.yaml has them, into its own."""
    name, settings = named
    return settings if isinstance(settings, Settings) else parsed_settings(name, settings)


Recognisers = Annotated[
    dict[Name, Annotated[SerializeAsAny[Settings], BeforeValidator(_settings)]],
    BeforeValidator(_named),
    Field(min_length=1),
]
"""The section `train`: the settings of every recogniser that is trained."""
