"""The command `publish`: a folder that goes to an archive or a hub as it is, with marks, metadata and checksums."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from calse.config.params import Params
from calse.data.consent import Consent, check_dates, read_consent
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.publish.about import about
from calse.publish.cards import write_cards
from calse.publish.clips import write_clips, write_table
from calse.publish.contents import Contents, Sharing, contents_of, tables_of
from calse.publish.crate import write_crate
from calse.publish.croissant import write_croissant
from calse.runtime.errors import CalseError, counted
from calse.runtime.files import atomic_folder, sha256_of, write_text
from calse.tracking.dvc_index import repository, stages_of
from calse.video.marks.mark import Mark

CHECKSUMS = "checksums.sha256"
TEXTS = (".cff", ".csv", ".html", ".json", ".md", ".yaml")


@dataclass(frozen=True)
class Published:
    """What came out: how many clips and files, what was left out by output, and whether git has all that was read."""

    folder: Path
    clips: int
    files: int
    left_out: dict[str, str]
    changed: bool


def publish(params: Params, layout: Layout, folder: Path, mark: Mark, label: bool = False) -> Published:
    """Write what of the study everybody in it allows to be shared, with what others need to use and cite it.

    The folder appears whole or not at all. Generated clips are marked; `label` says it in their pictures too. Of one
    commit, all that no signature is part of has equal bytes each time.
    Raises CalseError, before any work, when the folder exists, a grant has ended, a source has no licence, something
    is missing or has changed, or there is no commit.
    """
    if folder.exists():
        raise CalseError(f"{folder} exists; remove it, or name a folder that does not")
    check_dates(params, layout)
    consent = read_consent(params, layout)
    with repository() as repo:
        stages = stages_of(repo)
        contents = contents_of(params, layout, consent, stages)
        if not contents.clips:
            raise CalseError(
                "there is no clip that may be published; `dvc repro` makes them, `calse consent` shows why"
            )
        study = about(params, layout, consent, contents)
        with atomic_folder(folder) as aside:
            digests = write_clips(params, layout, contents.clips, aside, mark, label)
            drawn = study.code_licence if study.synthetic else ""
            for table, clips in contents.tables.items():
                write_table(layout, consent, table, clips, digests, aside, drawn)
            for file in contents.files:
                target = aside / file.relative_to(layout.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
            write_cards(layout, consent, study, aside)
            write_croissant(study, aside)
            write_crate(study, stages, aside)
            _check_nothing_withheld(params, layout, consent, contents, aside)
            files = sorted(path.relative_to(aside).as_posix() for path in aside.rglob("*") if path.is_file())
            write_text(aside / CHECKSUMS, "".join(f"{sha256_of(aside / name)}  {name}\n" for name in files))
    return Published(folder, len(digests), len(files), contents.left_out, study.changed)


def _check_nothing_withheld(params: Params, layout: Layout, consent: Consent, contents: Contents, folder: Path) -> None:
    """Look for every clip that stays here, by id and by hash, in all that was written, whoever wrote it.

    Raises CalseError naming the file.
    """
    sharing = Sharing(params, layout, consent)
    listed = [clip for table in tables_of(layout, contents.tables) for clip in read_manifest(table)]
    withheld = [clip for clip in listed if not sharing.allows_clip(clip)]
    kept = {word for clip in withheld for word in (clip.clip, clip.sha256, clip.content) if word}
    for file in folder.rglob("*"):
        if file.stem in kept:
            raise CalseError(
                f"{file.relative_to(folder)} is of somebody who does not allow sharing; nothing was published"
            )
        if kept and file.suffix in TEXTS:
            found = kept.intersection(re.findall(r"[\w-]+", file.read_text(encoding="utf-8")))
            if found:
                raise CalseError(
                    f"{file.relative_to(folder)} names {min(found)}, which may not be shared; nothing was published"
                )


def print_published(done: Published) -> None:
    """Say what came out, and what was left out."""
    for path, how in done.left_out.items():
        print(f"left out of {path}: {how}, of somebody who does not allow sharing")
    if done.changed:
        print("not everything that was published is in a commit: git add -A && git commit, then publish again")
    size = f"{counted(done.clips, 'clip')}, {counted(done.files, 'file')}"
    print(f"{done.folder}: {size}; look through it before you give it away")
