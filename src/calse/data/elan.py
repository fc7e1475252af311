"""ELAN files (.eaf), the format of sign-language annotation: what a tier says of a recording, and a tier written."""

import itertools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_file

LARGEST = 64 * 1024**2  # bytes of a file; hours of annotation take a hundredth
MILLISECONDS = 1000


@dataclass(frozen=True)
class Annotation:
    """What a tier says of a stretch of a recording, from `start` up to `end` in seconds of its video."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Tier:
    """The annotations of a tier in order, who takes part in it (empty where nothing is said), and the video."""

    video: Path
    participant: str
    annotations: tuple[Annotation, ...]


def read_tier(path: Path, name: str) -> Tier:
    """Read a tier. The video is the first one that the file links, by its relative path or beside the file.

    Raises CalseError naming the file and what is missing or wrong: it, the tier, a video, times.
    """
    eaf = _read(path)
    if name not in eaf.tiers:
        raise CalseError(f"{path} has no tier {name!r}; those are: {', '.join(eaf.tiers) or 'none'}")
    try:
        rows = [(row[0], row[1], row[2]) for row in eaf.get_annotation_data_for_tier(name)]
        video, origin = _video(path, eaf)
        spans = sorted((begin + origin, end + origin, text or "") for begin, end, text in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise CalseError(f"{path}: tier {name} has no times that can be read ({error}); save it anew in ELAN") from None
    found = tuple(Annotation(begin / MILLISECONDS, end / MILLISECONDS, text) for begin, end, text in spans)
    if not found:
        raise CalseError(f"{path}: tier {name} has no annotation")
    for one, other in itertools.pairwise(found):
        if one.end > other.start:
            raise CalseError(f"{path}: tier {name} has two annotations at {other.start:.2f} s; keep one")
    return Tier(video, eaf.tiers[name][2].get("PARTICIPANT", "").strip(), found)


def write_tiers(path: Path, video: Path, tiers: dict[str, list[Annotation]]) -> None:
    """Write a file that links a video and has these tiers, in one step; equal tiers give equal bytes."""
    eaf = _pympi()()
    eaf.adocument["DATE"] = "2000-01-01T00:00:00+00:00"  # no clock in a result
    eaf.add_linked_file(video.resolve().as_uri(), relpath=video.name, mimetype="video/mp4")
    eaf.remove_tier("default")
    for name, annotations in tiers.items():
        eaf.add_tier(name)
        for one in annotations:
            eaf.add_annotation(name, round(one.start * MILLISECONDS), round(one.end * MILLISECONDS), one.text)
    with atomic_file(path) as aside:
        eaf.to_file(str(aside))


def check_extra() -> None:
    """Raise CalseError when the package that reads and writes ELAN files is not installed."""
    _pympi()


def _pympi() -> Any:
    """Return pympi's class for ELAN files, imported only when it is needed."""
    try:
        from pympi.Elan import Eaf
    except ImportError:
        raise CalseError('ELAN files need the extra "annotations": make extras') from None
    return Eaf


def _read(path: Path) -> Any:
    """Read a file. Raises CalseError when it is missing, far too large or no ELAN file."""
    eaf = _pympi()
    if not path.is_file():
        raise CalseError(f"{path} is missing; check its path")
    if path.stat().st_size > LARGEST:
        raise CalseError(f"{path} is larger than {LARGEST // 1024**2} MiB; that is no ELAN file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions that pympi does not know read all the same
            return eaf(str(path))
    except Exception as error:  # pympi raises whatever it stumbles on
        raise CalseError(f"{path} is no ELAN file that can be read: {' '.join(str(error).split())[:200]}") from None


def _video(path: Path, eaf: Any) -> tuple[Path, int]:
    """Return the video of a file and how many milliseconds of it lie before time 0."""
    named = []
    for medium in eaf.get_linked_files():
        relative, absolute = (
            unquote(urlsplit(medium.get(key, "")).path) for key in ("RELATIVE_MEDIA_URL", "MEDIA_URL")
        )
        for place in (path.parent / relative if relative else None, path.parent / Path(absolute).name):
            if place is not None and place.is_file() and place != path:
                return place, int(medium.get("TIME_ORIGIN") or 0)
        named.append(Path(absolute).name)
    raise CalseError(f"{path}: its video {', '.join(named) or '(none is linked)'} does not lie beside it; put it there")
