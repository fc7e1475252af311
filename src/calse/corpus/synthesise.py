"""The stage `synthesise`: a whole corpus of synthetic signers, with donors and exact labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calse.config.params import Params, Synthesis
from calse.data.clips import clip_id
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.executor import map_parallel
from calse.runtime.files import atomic_folder, sha256_of
from signers.gloss import Gloss
from signers.glosses import glosses, speech
from signers.scene import Studio
from signers.signers import DONORS, SOURCES

INDEX_COLUMNS = ["file", "gloss", "signer", "take", "sha256"]


@dataclass(frozen=True)
class Recording:
    """One clip to be made: `folder` is its source's or donor's."""

    folder: Path
    clip: str
    gloss: Gloss
    take: int
    studio: Studio
    short_side: int
    seed: int


def recordings(settings: Synthesis, folder: Path) -> Iterator[Recording]:
    """Yield every clip of a corpus but what it is to be without: what is left stays the same, to the byte."""
    for one in _all_recordings(settings, folder):
        if not {one.folder.name, one.clip, one.studio.signer.body} & set(settings.without):
            yield one


def _all_recordings(settings: Synthesis, folder: Path) -> Iterator[Recording]:
    """Yield them one studio after the other: a worker paints its signer once."""
    signs = glosses(settings.glosses)
    shared = {"short_side": settings.short_side, "seed": settings.seed}
    for source, studios in SOURCES.items():
        for take, studio in enumerate(studios, start=1):
            for gloss in signs:
                yield Recording(folder / source, clip_id(source, gloss.name, take), gloss, take, studio, **shared)
    for donor, studio in DONORS.items():
        for take in range(1, settings.donor_clips + 1):
            gloss = speech(take)
            yield Recording(folder / donor, clip_id(donor, gloss.name, take), gloss, take, studio, **shared)


def record(recording: Recording) -> dict[str, Any]:
    """Write one clip and its labels; return its row of the index. Depends on nothing but the recording's own words."""
    from calse.video.ours.encode import write_video
    from signers.film import film
    from signers.take import rng_of
    from signers.truth import Truth, stacked

    truths: list[Truth] = []

    def frames() -> Iterator[np.ndarray]:
        """Yield the pictures; what is true of each goes into `truths`."""
        rng = rng_of(recording.clip, recording.seed)
        for frame, truth in film(recording.studio, recording.gloss, recording.short_side, rng):
            truths.append(truth)
            yield frame

    file = recording.folder / f"{recording.clip}.mp4"
    write_video(file, frames(), recording.studio.fps)
    labels: dict[str, Any] = stacked(truths)
    np.savez_compressed(recording.folder / "truth" / f"{recording.clip}.npz", **labels)
    signer = recording.studio.signer.body
    return dict(
        zip(INDEX_COLUMNS, (file.name, recording.gloss.name, signer, recording.take, sha256_of(file)), strict=True)
    )


def synthesise(params: Params, layout: Layout, corpus: str) -> None:
    """Write the raw folder of a synthetic corpus in one step.

    It holds `glossary.csv`; per source a folder of clips with its index `clips.csv` (file, gloss, signer, take,
    sha256) and `truth/<clip>.npz` (see signers.truth.Truth); and the same per donor. Equal settings give
    equal bytes. Raises CalseError when params have no settings for this corpus.
    """
    settings = params.synthesise.get(corpus)
    if settings is None:
        raise CalseError(
            f"params.yaml: synthesise has no corpus {corpus!r}; add one, or bring videos with `calse import`"
        )
    with atomic_folder(layout.raw(corpus)) as folder:
        todo = list(recordings(settings, folder))
        for place in {recording.folder for recording in todo}:
            (place / "truth").mkdir(parents=True)
        rows = map_parallel(record, todo, f"synthesise {corpus}")
        for place in {recording.folder for recording in todo}:
            index = [row for recording, row in zip(todo, rows, strict=True) if recording.folder == place]
            write_rows(place / "clips.csv", INDEX_COLUMNS, sorted(index, key=lambda row: str(row["file"])))
        names = ({"gloss": gloss.name} for gloss in glosses(settings.glosses))
        write_rows(folder / "glossary.csv", ["gloss"], names)
