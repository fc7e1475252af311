"""The clip record and its manifests: the contract between the rooms of this project."""

import csv
import hashlib
import io
import json
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from calse.errors import CalseError
from calse.files import sha256_of, write_text


@dataclass(frozen=True)
class Clip:
    """One video of one gloss by one signer.

    `path` is relative to the repository, `sha256` is of the file, `content` of the decoded raw frames
    (equal for the same recording in two containers; empty for generated clips). `set` and `parent` are
    empty for a filmed clip; a generated one inherits gloss, source, signer and take from its parent, so
    that it always falls on its parent's side of a split. `made` is JSON: how the clip came to be.
    """

    clip: str
    gloss: str
    source: str
    signer: str
    take: int
    set: str
    parent: str
    path: str
    sha256: str
    content: str
    width: int
    height: int
    fps: float
    frames: int
    made: str

    @property
    def details(self) -> dict[str, Any]:
        """How the clip came to be, parsed."""
        return dict(json.loads(self.made))


COLUMNS = [field.name for field in fields(Clip)]
_TYPES: dict[str, Any] = {"take": int, "width": int, "height": int, "frames": int, "fps": float}


def compact_json(value: dict[str, Any]) -> str:
    """Return JSON on one line with sorted keys, for `Clip.made`."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def provenance(parent: str, made: dict[str, Any]) -> dict[str, str]:
    """Return what a generated clip's container says of its origin, so that a copy outside this project tells it too."""
    return {"comment": compact_json(made | {"parent": parent})}


JOINERS = "\u200c\u200d"  # zero-width characters that Persian and Indic words are spelled with


def normalise_gloss(text: str) -> str:
    """Return a gloss, or a signer's name, as it was written: NFC, single spaces, nothing invisible but joiners.

    Capitals stay as they are: which of two words `SINIR` stands for depends on the language.
    """
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf" or char in JOINERS)
    return unicodedata.normalize("NFC", " ".join(visible.split()).strip(JOINERS + " "))


def slug(name: str, longest: int = 80) -> str:
    """Return an ASCII name for files, at most five characters longer than `longest`.

    One that loses something (`AÑO`) gets four hex digits of its own, one that loses everything (`手`) sixteen.
    """
    ascii_text = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    short = re.sub(r"[^A-Za-z0-9]+", "-", ascii_text)[:longest].strip("-")
    if short == name:
        return short
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{short}-{digest[:4]}" if short else digest[:16]


def clip_id(source: str, gloss: str, take: int, signer: str = "") -> str:
    """Return the id of a filmed clip, which is also its file name: `SOURCE-GLOSS-TAKE` or `SOURCE-GLOSS_SIGNER-TAKE`.

    No slug holds an underscore, so that gloss `A-B` of signer `C` is not gloss `A` of signer `B-C`.
    """
    return f"{source}-{slug(gloss)}{f'_{slug(signer, 30)}' if signer else ''}-{take}"


def clip_ids(source: str, takes: Sequence[tuple[str, str, int]]) -> list[str]:
    """Return the ids of all filmed clips of a source, from gloss, signer and take of each.

    They name the signer only where takes alone do not tell them apart (file systems that ignore capitals included).
    """
    ids = [clip_id(source, gloss, take) for gloss, _, take in takes]
    if len({name.casefold() for name in ids}) == len(ids):
        return ids
    return [clip_id(source, gloss, take, signer) for gloss, signer, take in takes]


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
    clip = Clip(**{name: _TYPES.get(name, str)(row[name]) for name in COLUMNS})
    wrong = [name for name in ("width", "height", "fps", "frames") if not 0 < getattr(clip, name) < math.inf]
    if wrong:
        raise ValueError(f"{wrong[0]} must be more than 0, not {row[wrong[0]]}")
    _ = clip.details
    return clip


def seed_of(*parts: object) -> int:
    """Return a 64-bit seed that depends on every part and on nothing else."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big")


def choose(clips: list[Clip], clips_per_gloss: int | None, seed: int) -> list[Clip]:
    """Choose so many clips of each gloss, by a seeded draw that does not depend on which other clips there are."""
    if clips_per_gloss is None:
        return clips
    by_gloss: dict[str, list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=lambda clip: seed_of(seed, clip.clip)):
        by_gloss[clip.gloss].append(clip)
    return [clip for same_gloss in by_gloss.values() for clip in same_gloss[:clips_per_gloss]]


def verify(clip: Clip, root: Path) -> Path:
    """Return the path of a clip's file. Raises CalseError when it is missing or not the file that was recorded."""
    path = root / clip.path
    if not path.is_file():
        raise CalseError(f"clip {clip.clip}: {clip.path} is missing; `dvc checkout` or `dvc repro` brings it back")
    if sha256_of(path) != clip.sha256:
        raise CalseError(f"clip {clip.clip}: {clip.path} has changed since it was made; `dvc checkout` restores it")
    return path
