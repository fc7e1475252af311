"""Corrections of imported videos: a table of glosses to change and clips to leave out, as `calse browse` exports it."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from calse.config.consistency import flaw_of_name
from calse.corpus.glossary import one_spelling, read_glossary
from calse.corpus.raw import RawVideo, index_of, read_index, source_folders, write_index
from calse.corpus.repeats import check_ids
from calse.data.clips import normalise_gloss
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.data.tables import read_table
from calse.runtime.errors import CalseError, counted

COLUMNS = ["corpus", "source", "clip", "raw_sha256", "gloss", "correction", "leave_out"]


@dataclass(frozen=True)
class Outcome:
    """What became of a row: `done` in words, or why it was refused; `folder` is that of the source's raw videos."""

    clip: str
    folder: Path
    done: str = ""
    refused: str = ""


def correct(
    layout: Layout, table: Path, synthetic: Iterable[str], donors: Iterable[str], add_glosses: bool = False
) -> list[Outcome]:
    """Change the glosses of raw videos, and leave videos out, in the indices of their sources; no video is touched.

    A video is known by its hash, so that no row hits one that was imported since. A video with a new gloss gets the
    signer's next free take of it. A gloss must be in the corpus's glossary unless `add_glosses`; a donor's need not. A
    video left out stays in its folder; importing the source anew brings it back. Corpora made of code (`synthetic`)
    cannot be corrected. Raises CalseError, before anything is written, when the table cannot be read, names no imported
    source, or would leave one without a video or with the clip ids of another.
    """
    outcomes: list[Outcome] = []
    changed: dict[Path, list[RawVideo]] = {}
    added: dict[Path, list[str]] = {}
    for (corpus, source), rows in _rows_by_source(layout, table, synthetic).items():
        folder, standing = layout.raw(corpus) / source, layout.glossary(corpus)
        glosses = added.get(standing) or (read_glossary(standing) if standing.is_file() else [])
        free = source in donors
        work = _Source(folder, read_index(folder), glosses, free or add_glosses)
        done = [work.applied(row) for row in rows]
        outcomes += done
        if all(outcome.refused for outcome in done):
            continue
        if not work.videos:
            raise CalseError(f"{table}: source {source} would have no video left; remove the source instead")
        changed[folder] = work.videos
        if not free:
            added[standing] = work.glosses
    for folder, videos in changed.items():
        others = [other for other in source_folders(folder.parent) if other != folder]
        check_ids(folder.name, videos, {one.name: changed.get(one) or read_index(one) for one in others})
    for standing, glosses in added.items():
        write_rows(standing, ["gloss"], ({"gloss": gloss} for gloss in glosses))
    for folder, videos in changed.items():
        write_index(folder, videos)
    return outcomes


def _rows_by_source(
    layout: Layout, table: Path, synthetic: Iterable[str]
) -> dict[tuple[str, str], list[dict[str, str]]]:
    """Return the rows of a table by corpus and source. Raises CalseError for a source that cannot be corrected."""
    rows: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in read_table(table, COLUMNS):
        rows[row["corpus"], row["source"]].append(row)
    for corpus, source in rows:
        if corpus in synthetic:
            raise CalseError(f"{table}: corpus {corpus} is made by the stage synthesise; nothing is wrong in it")
        if any(flaw_of_name(name) for name in (corpus, source)) or not index_of(layout.raw(corpus) / source).is_file():
            raise CalseError(f"{table}: source {source!r:.80} of corpus {corpus!r:.80} is not imported")
    return rows


class _Source:
    """The videos of a source while rows of corrections are applied to them."""

    def __init__(self, folder: Path, videos: list[RawVideo], glosses: list[str], any_gloss: bool) -> None:
        self.folder, self.videos, self.glosses, self.any_gloss = folder, videos, list(glosses), any_gloss

    def applied(self, row: dict[str, str]) -> Outcome:
        """Apply a row and say what became of it."""
        video = next((one for one in self.videos if one.sha256 == row["raw_sha256"]), None)
        written = normalise_gloss(row["correction"])
        gloss = one_spelling([*self.glosses, written])[written]
        refused = self._refusal(row, video, gloss)
        if refused or video is None:
            return Outcome(row["clip"], self.folder, refused=refused)
        if row["leave_out"]:
            self.videos.remove(video)
            return Outcome(row["clip"], self.folder, "left out")
        if gloss not in self.glosses:
            self.glosses.append(gloss)
        takes = {one.take for one in self.videos if (one.gloss, one.signer) == (gloss, video.signer) and one != video}
        take = video.take if video.take not in takes else max(takes) + 1
        self.videos[self.videos.index(video)] = dataclasses.replace(video, gloss=gloss, take=take)
        return Outcome(row["clip"], self.folder, f"{video.gloss} is {gloss} now, take {take}")

    def _refusal(self, row: dict[str, str], video: RawVideo | None, gloss: str) -> str:
        """Return why a row cannot be applied, which asks for this gloss; nothing when it can."""
        if video is None:
            return "no video of this source has its hash: it was imported anew since, or is left out already"
        if normalise_gloss(row["gloss"]) != video.gloss:
            return f"its gloss is {video.gloss} now, not {row['gloss']} as when it was looked at"
        if row["leave_out"] not in ("", "yes"):
            return f"leave_out is yes or nothing, not {row['leave_out'][:20]!r}"
        if row["leave_out"]:
            return ""
        if gloss in ("", video.gloss):
            return "nothing is to be changed"
        unknown = gloss not in self.glosses and not self.any_gloss
        return f"gloss {gloss} is not in the glossary; --add-glosses adds it" if unknown else ""


def print_outcomes(outcomes: list[Outcome]) -> None:
    """Print a line a row and what to do next. Raises CalseError when nothing was changed."""
    for outcome in outcomes:
        print(f"refused {outcome.clip}: {outcome.refused}" if outcome.refused else f"{outcome.clip}: {outcome.done}")
    done = [outcome for outcome in outcomes if not outcome.refused]
    if not done:
        raise CalseError(f"nothing was changed, {counted(len(outcomes), 'row')} refused")
    print(f"changed {counted(len(done), 'video')}, refused {counted(len(outcomes) - len(done), 'row')}\n\nNext:")
    for folder in dict.fromkeys(outcome.folder for outcome in done):
        print(f"  dvc add {folder} && git add {folder}.dvc")
    print("  dvc repro")
