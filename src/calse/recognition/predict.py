"""The command `predict`: the ten best glosses for any video, prepared as evaluation prepares its clips."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calse.config.params import Train
from calse.recognition.inference import BEST, best_first, predict
from calse.recognition.input.frames import short_side, shrink
from calse.recognition.input.views import sample_frames
from calse.runtime.errors import CalseError
from calse.video.ours.planes import rgb_of
from calse.video.untrusted.decode import iterate_pictures
from calse.video.untrusted.normalise import at_rate, fitted
from calse.video.untrusted.sandbox import Refused, map_sandboxed


@dataclass(frozen=True)
class Wanted:
    """A video, the rate and short side that clips were brought to, and how a network looks at a clip."""

    video: Path
    fps: float
    short_side: int
    train: Train


@dataclass(frozen=True)
class Seen:
    """The frames T x H x W x 3 uint8 that a network looks at, and why they may not look as they were filmed."""

    frames: np.ndarray
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


def predict_videos(checkpoint: Path, videos: list[Path], seconds: float) -> list[Answer]:
    """Answer for each video, read within so many seconds. Raises CalseError when the checkpoint itself is wrong."""
    from calse.recognition.checkpoint import load_checkpoint, settings_of

    model, info = load_checkpoint(checkpoint)
    if "clip" not in info:
        raise CalseError(f"{checkpoint.with_suffix('.json')} does not tell what its clips were brought to; train again")
    clip, train = info["clip"], settings_of(info)
    wanted = [Wanted(video, clip["fps"], clip["short_side"], train) for video in videos]
    seen = map_sandboxed(chosen_frames, wanted, "read", seconds)
    scores = iter(predict(model, info, [one.frames for one in seen if not isinstance(one, Refused)]))
    names = [str(video).encode(errors="replace").decode() for video in videos]
    return [
        Answer(name, one.reason, [])
        if isinstance(one, Refused)
        else Answer(name, "", best_glosses(*next(scores), info["classes"]), one.doubts)
        for name, one in zip(names, seen, strict=True)
    ]


def best_glosses(scores: np.ndarray, chances: np.ndarray, classes: list[str]) -> list[tuple[str, float]]:
    """Return the best glosses of scores K with their probabilities K, rounded as evaluation writes them."""
    return [(classes[index], round(float(chances[index]), 6)) for index in best_first(scores)[:BEST]]


def chosen_frames(wanted: Wanted) -> Seen:
    """Read the frames that a network looks at, and no more: any length takes the same memory.

    A first pass counts, because which frames are chosen depends on how many there are. Raises CalseError saying what
    is wrong with the file.
    """
    train = wanted.train
    try:
        count = sum(1 for _ in at_rate(iterate_pictures(wanted.video), wanted.fps))
        places = sample_frames(count, train.frames, train.sampling, None).tolist()
        kept: dict[int, np.ndarray] = {}
        doubts: set[str] = set()
        for place, picture in enumerate(at_rate(iterate_pictures(wanted.video), wanted.fps)):
            if place in places:
                image = rgb_of(next(fitted([picture], wanted.short_side)))
                kept[place] = shrink(image[None], short_side(train.size))[0]
                doubts.update(picture.doubts)
    except CalseError as error:
        raise CalseError(str(error).removeprefix(f"{wanted.video}: ")) from None
    return Seen(np.stack([kept[place] for place in places]), tuple(sorted(doubts)))


def print_answers(answers: list[Answer], as_json: bool) -> None:
    """Print tables, or JSON alone, on stdout, and a line for each doubtful or bad file on stderr.

    Raises CalseError at any bad one.
    """
    if as_json:
        print(json.dumps([_as_dict(answer) for answer in answers], indent=2, ensure_ascii=False))
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


def _as_dict(answer: Answer) -> dict[str, Any]:
    glosses = [{"gloss": gloss, "probability": chance} for gloss, chance in answer.glosses]
    return {name: value for name, value in (asdict(answer) | {"glosses": glosses}).items() if value}


def _table(answer: Answer) -> Table:
    table = Table("", "gloss", "probability", title=Text(answer.video), title_justify="left")
    for place, (gloss, chance) in enumerate(answer.glosses, start=1):
        table.add_row(str(place), Text(gloss), f"{chance:.3f}")
    return table
