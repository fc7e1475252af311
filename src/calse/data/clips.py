"""The clip record, which flows through every stage. manifests.py has its tables."""

import hashlib
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from calse.data.paths import Layout
from calse.runtime.files import sha256_of


@dataclass(frozen=True)
class Clip:
    """One video of one gloss by one signer.

    `path` is relative to the repository, `sha256` is of the file, `content` of the decoded raw frames
    (equal for the same recording in two containers; empty for generated clips). `set` and `parent` are
    empty for a filmed clip; a generated one inherits gloss, source, signer and take from its parent, so
    that a split never parts it from its parent. `made` is JSON: how the clip came to be.
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

    def child(self, file: Path, set_name: str, made: dict[str, Any]) -> "Clip":
        """Return the record of a clip generated from this one, which `file` holds and will be part of `set_name`.

        Length and size are the parent's; whoever changes them says so with `replace`.
        """
        return replace(
            self,
            clip=file.stem,
            set=set_name,
            parent=self.clip,
            path=(Layout().augmented(set_name) / file.name).as_posix(),
            sha256=sha256_of(file),
            content="",
            made=compact_json(made),
        )


COLUMNS = [field.name for field in fields(Clip)]


def compact_json(value: dict[str, Any]) -> str:
    """Return JSON on one line with sorted keys, for `Clip.made`."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def provenance(parent: str, made: dict[str, Any]) -> dict[str, str]:
    """Return what a generated clip's container says of its origin, so that a copy outside this project says it too."""
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

    They name the signer only where takes alone are not unique (file systems that ignore capitals included).
    """
    ids = [clip_id(source, gloss, take) for gloss, _, take in takes]
    if len({name.casefold() for name in ids}) == len(ids):
        return ids
    return [clip_id(source, gloss, take, signer) for gloss, signer, take in takes]


def seed_of(*parts: object) -> int:
    """Return a 64-bit seed for what is known by names: it depends on every part and on nothing else."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big")


def stream_seed(seed: int, *counted: int) -> int:
    """Return a 32-bit seed for one moment of a training, counted by epochs, iterations or the like."""
    from numpy import uint32
    from numpy.random import SeedSequence

    return int(SeedSequence([seed % 2**64, *counted]).generate_state(1, uint32)[0])


def choose(clips: list[Clip], clips_per_gloss: int | None, seed: int) -> list[Clip]:
    """Choose so many clips of each gloss, by a seeded draw that does not depend on which other clips there are."""
    if clips_per_gloss is None:
        return clips
    by_gloss: dict[str, list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=lambda clip: seed_of(seed, clip.clip)):
        by_gloss[clip.gloss].append(clip)
    return [clip for same_gloss in by_gloss.values() for clip in same_gloss[:clips_per_gloss]]
