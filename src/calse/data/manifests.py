"""Manifests: clips as rows of a CSV, and the tables around them. What a clip is stands in clips.py."""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calse.data.clips import COLUMNS, Clip
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of, write_text

_TYPES: dict[str, Any] = {"take": int, "width": int, "height": int, "frames": int, "fps": float}


def write_rows(path: Path, columns: list[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write a CSV in one step; equal rows give equal bytes."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


def read_rows(path: Path, columns: list[str]) -> list[dict[str, str]]:
    """Read a CSV as text: no gloss is ever taken for a missing value or a number.

    Raises CalseError when the file is missing, is not UTF-8 or lacks a column.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            rows = list(reader)
    except FileNotFoundError:
        raise CalseError(f"{path} is missing; `dvc repro` makes it, or `dvc pull` fetches it") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise CalseError(f"{path} cannot be read as UTF-8 CSV: {error}") from None
    missing = [name for name in columns if name not in (reader.fieldnames or [])]
    if missing:
        raise CalseError(f"{path} lacks the column {missing[0]!r}; it needs: {', '.join(columns)}")
    if any(None in row for row in rows):
        number = next(number for number, row in enumerate(rows, start=1) if None in row)
        raise CalseError(f"{path}: row {number} has more cells than the header has names")
    return rows


def write_manifest(path: Path, clips: Iterable[Clip]) -> None:
    """Write clips sorted by id."""
    write_rows(path, COLUMNS, (asdict(clip) for clip in sorted(clips, key=lambda clip: clip.clip)))


def read_manifest(path: Path) -> list[Clip]:
    """Read the clips of a manifest. Raises CalseError naming the file and line of what is wrong."""
    clips = []
    for number, row in enumerate(read_rows(path, COLUMNS), start=2):
        try:
            clips.append(_clip_of(row))
        except (TypeError, ValueError) as error:
            raise CalseError(f"{path}:{number} is not a clip: {error}") from None
    return clips


def _clip_of(row: dict[str, str]) -> Clip:
    """Return the clip of a row. Raises ValueError for what is no number, or no number above 0."""
    clip = Clip(**{name: _TYPES.get(name, str)(row[name]) for name in COLUMNS})
    wrong = [name for name in ("width", "height", "fps", "frames") if not 0 < getattr(clip, name) < math.inf]
    if wrong:
        raise ValueError(f"{wrong[0]} must be more than 0, not {row[wrong[0]]}")
    _ = clip.details
    return clip


def verify(clip: Clip, root: Path) -> Path:
    """Return the path of a clip's file. Raises CalseError when it is missing or not the file that was recorded."""
    path = root / clip.path
    if not path.is_file():
        raise CalseError(f"clip {clip.clip}: {clip.path} is missing; `dvc checkout` or `dvc repro` brings it back")
    if sha256_of(path) != clip.sha256:
        raise CalseError(
            f"clip {clip.clip}: {clip.path} has changed since it was made; `dvc checkout` or `dvc repro` mends it"
        )
    return path
