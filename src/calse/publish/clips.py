"""The clips of a publication, those that were generated with their marks, and the tables that list them."""

import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from calse.config.params import Params
from calse.data.clips import COLUMNS, Clip, provenance
from calse.data.consent import Consent
from calse.data.manifests import read_rows, verify, write_rows
from calse.data.paths import Layout
from calse.publish.about import licence_of
from calse.runtime.files import sha256_of, temporary_folder
from calse.video.marks.label import labelled
from calse.video.marks.mark import DRAWN, Mark, Origin
from calse.video.ours.encode import write_video
from calse.video.ours.read import iterate_frames

ADDED = ["study_sha256", "licence"]  # columns that a published table has beside those of a clip


def write_clips(
    params: Params, layout: Layout, clips: Iterable[Clip], folder: Path, mark: Mark, label: bool
) -> dict[str, str]:
    """Write clips into a folder, at the paths of the study; return the sha256 of each file by the clip's id.

    What was generated is marked, clips of drawn signers too; what was filmed is copied as it is. Raises CalseError
    naming a clip that is missing or has changed.
    """
    drawn = params.corpus.name in params.synthesise
    digests: dict[str, str] = {}
    with temporary_folder(folder / "plain") as temporary:
        for clip in sorted(clips, key=lambda clip: bool(clip.set)):  # parents first: their children name their hash
            file, target = verify(clip, layout.root), folder / clip.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if not clip.set and not drawn:
                shutil.copyfile(file, target)
            else:
                origin = _origin(clip, digests)
                plain = temporary / target.name
                _write_plain(clip, file, plain, origin.label if label else "")
                mark(plain, target, origin)
                plain.unlink(missing_ok=True)
            digests[clip.clip] = sha256_of(target)
    return digests


def _origin(clip: Clip, digests: dict[str, str]) -> Origin:
    """Return what the mark of a clip says of its origin."""
    name = Path(clip.path).name
    if not clip.set:
        return Origin({"by": DRAWN} | clip.details, name)
    return Origin(clip.details, name, clip.parent, digests[clip.parent])


def _write_plain(clip: Clip, file: Path, plain: Path, words: str) -> None:
    """Copy a clip; with words, encode it anew with these in the corner."""
    if not words:
        shutil.copyfile(file, plain)
        return
    frames = (labelled(frame, words) for frame in iterate_frames(file))
    write_video(plain, frames, clip.fps, provenance(clip.parent, clip.details) if clip.set else None)


def write_table(
    layout: Layout, consent: Consent, table: str, clips: list[Clip], digests: dict[str, str], folder: Path, drawn: str
) -> None:
    """Write a manifest or split of what is published: the rows of its clips, with the hash of the published file.

    The hash of the study's own file and the licence stand in two more columns.
    """
    rows = {row["clip"]: row for row in read_rows(layout.root / table, COLUMNS)}
    columns = [*(next(iter(rows.values()), {})), *ADDED]
    written = [
        rows[clip.clip]
        | asdict(replace(clip, sha256=digests[clip.clip]))
        | dict(zip(ADDED, (clip.sha256, licence_of(consent, clip) or drawn), strict=True))
        for clip in clips
    ]
    write_rows(folder / table, columns, written)
