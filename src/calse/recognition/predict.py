"""The command `predict`: the ten best glosses for any video, prepared as evaluation prepares its clips."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calse.recognition.inference import BEST, best_first
from calse.recognition.registry import find_recogniser
from calse.runtime.errors import CalseError, one_line
from calse.runtime.sandbox import Refused, map_sandboxed

if TYPE_CHECKING:
    from calse.recognition.registry import Scores


@dataclass(frozen=True)
class InputRequest:
    """A video, the rate and short side that clips were brought to, and who asks for it with which settings."""

    video: Path
    fps: float
    short_side: int
    recogniser: str
    settings: Any


@dataclass(frozen=True)
class VideoInput:
    """A recogniser's input, made of a video, and why it may not be as it was filmed."""

    input: Any
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What was found in a video: `refused` says why nothing was, `doubts` why it may not have been read as filmed."""

    video: str
    refused: str = ""
    doubts: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return what JSON says of it."""
        extra = {"refused": self.refused, "doubts": list(self.doubts)}
        return {"video": self.video} | {name: value for name, value in extra.items() if value}

    def table(self) -> Table:
        """Return a table to print."""
        raise NotImplementedError


@dataclass(frozen=True)
class Prediction(Result):
    """A video's best glosses with their probabilities, best first."""

    glosses: list[tuple[str, float]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return what JSON says of it."""
        glosses = [{"gloss": gloss, "probability": probability} for gloss, probability in self.glosses]
        return super().plain() | ({"glosses": glosses} if glosses else {})

    def table(self) -> Table:
        """Return a table of the glosses."""
        table = Table("", "gloss", "probability")
        for place, (gloss, probability) in enumerate(self.glosses, start=1):
            table.add_row(str(place), Text(gloss), f"{probability:.3f}")
        return table


@dataclass(frozen=True)
class Predictor:
    """A checkpoint, loaded: what its JSON says, its settings, and what scores inputs."""

    info: dict[str, Any]
    settings: Any
    score: "Callable[[Iterable[Any]], list[Scores]]"

    def request(self, video: Path) -> InputRequest:
        """Return what is to be read of a video."""
        clip = self.info["clip"]
        return InputRequest(video, clip["fps"], clip["short_side"], self.info["recogniser"], self.settings)

    def results(self, videos: Sequence[Path], found: Sequence[VideoInput | Refused]) -> list[Prediction]:
        """Return the best glosses of each video, of which that was read."""
        scores = iter(self.score([one.input for one in found if not isinstance(one, Refused)]))
        return [
            Prediction(printable(video), refused=one.reason)
            if isinstance(one, Refused)
            else Prediction(
                printable(video), doubts=one.doubts, glosses=best_glosses(*next(scores), self.info["classes"])
            )
            for video, one in zip(videos, found, strict=True)
        ]


def printable(video: Path) -> str:
    """Return a video's name, of which bytes that are no text are replaced."""
    return str(video).encode(errors="replace").decode()


def load_predictor(checkpoint: Path) -> Predictor:
    """Load a checkpoint, or an index. Raises CalseError naming one that is missing or damaged."""
    from calse.recognition.checkpoint import read_info, settings_of

    info = read_info(checkpoint)
    score = find_recogniser(info["recogniser"]).scorer(checkpoint)
    if "clip" not in info:
        raise CalseError(f"{checkpoint.with_suffix('.json')} does not tell what its clips were brought to; train again")
    return Predictor(info, settings_of(info), score)


def predict_videos(checkpoint: Path, videos: list[Path], seconds: float) -> list[Prediction]:
    """Predict for each video, read within so many seconds. Raises CalseError when the checkpoint itself is wrong."""
    predictor = load_predictor(checkpoint)
    found = map_sandboxed(read_input, [predictor.request(video) for video in videos], "read", seconds)
    return predictor.results(videos, found)


def best_glosses(scores: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> list[tuple[str, float]]:
    """Return the best glosses of scores K with their probabilities K, rounded as evaluation writes them."""
    return [(classes[index], round(float(probabilities[index]), 6)) for index in best_first(scores)[:BEST]]


def read_input(request: InputRequest) -> VideoInput:
    """Read what a recogniser needs of a video. Raises CalseError saying what is wrong with the file."""
    recogniser = find_recogniser(request.recogniser)
    try:
        given, doubts = recogniser.view(request.video, request.fps, request.short_side, request.settings)
    except CalseError as error:
        raise CalseError(str(error).removeprefix(f"{request.video}: ")) from None
    return VideoInput(given, tuple(doubts))


def print_results(results: Sequence[Result], as_json: bool) -> None:
    """Print tables, or JSON alone, on stdout, and a line for each doubtful or refused video on stderr.

    Raises CalseError when a video was refused.
    """
    if as_json:
        print(json.dumps([one.plain() for one in results], indent=2, ensure_ascii=False))
    for one in results:
        if not as_json and not one.refused:
            print(one_line(one.video))  # as a table's title it would be broken at the table's width
            Console().print(one.table())
        for word, why in (("refused", one.refused), ("doubtful", "; ".join(one.doubts))):
            if why:
                complain(word, one.video, why)
    refused = [one for one in results if one.refused]
    if refused:
        raise CalseError(f"{len(refused)} of {len(results)} videos could not be read; the reasons are above")


def complain(word: str, video: str, why: str) -> None:
    """Print on stderr what is wrong with a video."""
    Console(stderr=True, soft_wrap=True).print(f"{word:8} {one_line(video)}: {why}", markup=False, highlight=False)
