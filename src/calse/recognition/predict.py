"""The command `predict`: the ten best glosses for any video, prepared as evaluation prepares its clips."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calse.recognition.inference import BEST, best_first
from calse.recognition.registry import find_recogniser
from calse.runtime.errors import CalseError
from calse.runtime.sandbox import Refused, map_sandboxed

if TYPE_CHECKING:
    from calse.recognition.registry import Scores


@dataclass(frozen=True)
class Wanted:
    """A video, the rate and short side that clips were brought to, and who asks for it with which settings."""

    video: Path
    fps: float
    short_side: int
    recogniser: str
    settings: Any


@dataclass(frozen=True)
class Viewed:
    """A recogniser's input, made of a video, and why it may not be as it was filmed."""

    input: Any
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """A video's best glosses with their probabilities, best first; `refused` says why there are none.

    `doubts` say why the video may not have been seen as it was filmed.
    """

    video: str
    refused: str
    glosses: list[tuple[str, float]]
    doubts: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return what JSON says of it; what is empty is left out."""
        glosses = [{"gloss": gloss, "probability": chance} for gloss, chance in self.glosses]
        return {name: value for name, value in (asdict(self) | {"glosses": glosses}).items() if value}


@dataclass(frozen=True)
class Predictor:
    """A checkpoint, loaded: what its JSON says, its settings, and what scores inputs."""

    info: dict[str, Any]
    settings: Any
    score: "Callable[[Iterable[Any]], list[Scores]]"

    def wanted(self, video: Path) -> Wanted:
        """Return what is to be read of a video."""
        clip = self.info["clip"]
        return Wanted(video, clip["fps"], clip["short_side"], self.info["recogniser"], self.settings)

    def answers(self, videos: Sequence[Path], found: Sequence[Viewed | Refused]) -> list[Answer]:
        """Return the best glosses of each video, of which that was read."""
        scores = iter(self.score([one.input for one in found if not isinstance(one, Refused)]))
        names = [str(video).encode(errors="replace").decode() for video in videos]
        return [
            Answer(name, one.reason, [])
            if isinstance(one, Refused)
            else Answer(name, "", best_glosses(*next(scores), self.info["classes"]), one.doubts)
            for name, one in zip(names, found, strict=True)
        ]


def load_predictor(checkpoint: Path) -> Predictor:
    """Load a checkpoint, or an index. Raises CalseError naming one that is missing or damaged."""
    from calse.recognition.checkpoint import read_info, settings_of

    info = read_info(checkpoint)
    score = find_recogniser(info["recogniser"]).scorer(checkpoint)
    if "clip" not in info:
        raise CalseError(f"{checkpoint.with_suffix('.json')} does not tell what its clips were brought to; train again")
    return Predictor(info, settings_of(info), score)


def predict_videos(checkpoint: Path, videos: list[Path], seconds: float) -> list[Answer]:
    """Answer for each video, read within so many seconds. Raises CalseError when the checkpoint itself is wrong."""
    predictor = load_predictor(checkpoint)
    found = map_sandboxed(viewed, [predictor.wanted(video) for video in videos], "read", seconds)
    return predictor.answers(videos, found)


def best_glosses(scores: np.ndarray, chances: np.ndarray, classes: list[str]) -> list[tuple[str, float]]:
    """Return the best glosses of scores K with their probabilities K, rounded as evaluation writes them."""
    return [(classes[index], round(float(chances[index]), 6)) for index in best_first(scores)[:BEST]]


def viewed(wanted: Wanted) -> Viewed:
    """Read what a recogniser needs of a video. Raises CalseError saying what is wrong with the file."""
    recogniser = find_recogniser(wanted.recogniser)
    try:
        given, doubts = recogniser.view(wanted.video, wanted.fps, wanted.short_side, wanted.settings)
    except CalseError as error:
        raise CalseError(str(error).removeprefix(f"{wanted.video}: ")) from None
    return Viewed(given, tuple(doubts))


def print_answers(answers: list[Answer], as_json: bool) -> None:
    """Print tables, or JSON alone, on stdout, and a line for each doubtful or bad file on stderr.

    Raises CalseError at any bad one.
    """
    if as_json:
        print(json.dumps([answer.plain() for answer in answers], indent=2, ensure_ascii=False))
    else:
        for answer in answers:
            if not answer.refused:
                Console().print(_table(answer))
    for answer in answers:
        if answer.refused or answer.doubts:
            word, why = ("refused", answer.refused) if answer.refused else ("doubtful", "; ".join(answer.doubts))
            line = f"{word:8} {answer.video}: {why}"
            Console(stderr=True, soft_wrap=True).print(line, markup=False, highlight=False)
    refused = [answer for answer in answers if answer.refused]
    if refused:
        raise CalseError(f"{len(refused)} of {len(answers)} videos could not be read; the reasons are above")


def _table(answer: Answer) -> Table:
    table = Table("", "gloss", "probability", title=Text(answer.video), title_justify="left")
    for place, (gloss, chance) in enumerate(answer.glosses, start=1):
        table.add_row(str(place), Text(gloss), f"{chance:.3f}")
    return table
