"""The study without somebody: parameters, raw videos, consent, dvc.lock; `dvc repro` goes on without them."""

import contextlib
import io
import re
import shutil
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from calse.config.edited import dumped, loaded
from calse.config.params import Params, check_params, read_params
from calse.corpus.glossary import read_glossary
from calse.corpus.raw import RawVideo, ids_of, index_of, read_index, source_folders, write_index
from calse.data.consent import COLUMNS
from calse.data.manifests import read_manifest, write_rows
from calse.data.paths import Layout
from calse.data.tables import read_table
from calse.people.who import Who
from calse.runtime.errors import CalseError
from calse.runtime.files import write_text

if TYPE_CHECKING:
    from dvc.repo import Repo  # type: ignore[import-untyped]

    from calse.people.forget import Plan

PARAMS = Path("params.yaml")


def params_without(who: Who, layout: Layout) -> str | None:
    """Return params.yaml without somebody; None when it stays as it is.

    Sources with nobody left go, and what needs them. In a corpus made of code the person is not made any more. A source
    that has no longer as many clips of every gloss as was promised promises any number. Raises CalseError when no study
    would be left.
    """
    params = read_params()
    tree = loaded(PARAMS.read_text(encoding="utf-8"))
    videos = videos_of(params, layout)
    gone = {name for name in params.corpus.sources if name in who.sources}
    touched = False
    for source, listed in videos.items():
        left = [video for clip, video in listed.items() if not who.includes(source, video.signer, clip)]
        touched = touched or len(left) < len(listed)
        if not left:
            gone.add(source)
        elif len(left) < len(listed):
            _promise(tree, params, layout, source, left)
    for name, settings in params.synthesise.items():
        names = [*settings.without, *who.signers, *who.sources, *who.clips]
        tree["synthesise"][name]["without"] = list(dict.fromkeys(names))
    _without_sources(tree, params, gone)
    text = dumped(tree)
    if not touched and not gone:
        return None
    try:
        check_params(YAML(typ="safe", pure=True).load(text))
    except CalseError as error:
        raise CalseError(f"without {who} no study is left: {error}; change params.yaml first") from None
    return text


def videos_of(params: Params, layout: Layout) -> dict[str, dict[str, RawVideo]]:
    """Return the raw videos of every source by clip id; what was ingested of them, where they are not here."""
    found = {}
    for name in params.corpus.sources:
        folder, manifest = layout.raw(params.corpus.name) / name, layout.source_manifest(name)
        if index_of(folder).is_file():
            videos = read_index(folder)
            found[name] = dict(zip(ids_of(name, videos), videos, strict=True))
        elif manifest.is_file():
            clips = read_manifest(manifest)
            found[name] = {c.clip: RawVideo("", c.gloss, c.signer, c.take, c.details["raw_sha256"]) for c in clips}
    return found


def _promise(tree: Any, params: Params, layout: Layout, source: str, left: list[RawVideo]) -> None:
    """Let a source promise any number of clips, where it no longer has as many as it promised."""
    promised = params.corpus.sources[source]
    counts = Counter(video.gloss for video in left)
    if promised.kind == "donor":
        return
    found = {counts[gloss] for gloss in read_glossary(layout.glossary(params.corpus.name))}
    if found != {promised.clips_per_gloss} and (promised.clips_per_gloss or 0 in found):
        tree["corpus"]["sources"][source]["clips_per_gloss"] = 0 if 0 in found else None


def _without_sources(tree: Any, params: Params, gone: set[str]) -> None:
    """Take sources out of a tree of parameters, and sets that are left without a donor, signers or clips."""
    for source in gone:
        del tree["corpus"]["sources"][source]
    for where, name in ((tree["landmarks"], "sources"), (tree, "omit"), (tree, "test_sources")):
        for source in gone & set(where[name]):
            where[name].remove(source)
    if tree.get("validation_source") in gone:
        tree["validation_source"] = None
    kinds = {source.kind for name, source in params.corpus.sources.items() if name not in gone}
    lost = {name for name, one in params.swap.items() if {one.donor, one.signers} & gone}
    lost |= {name for name, one in params.augment.items() if one.of not in kinds}
    _without_sets(tree, params, lost)


def _without_sets(tree: Any, params: Params, lost: set[str]) -> None:
    """Take sets out of a tree of parameters and of its recipes; a recipe of nothing else goes."""
    for name in lost:
        del tree["swap" if name in params.swap else "augment"][name]
    for name, recipe in params.recipes.items():
        left = [one for one in recipe.sets if one not in lost]
        if recipe.sets and not left:
            del tree["recipes"][name]
        elif len(left) < len(recipe.sets):
            written = tree["recipes"][name]
            sets = written["sets"] if isinstance(written, dict) else written
            for one in lost & set(sets):
                sets.remove(one)


def rewrite(who: Who, layout: Layout, repo: "Repo", plan: "Plan") -> None:
    """Take somebody out of the working tree: raw videos, outputs that they went into, consent, parameters, dvc.lock.

    Called again after a kill, it goes on.
    """
    synthetic = read_params().synthesise
    _rewrite_imported(who, layout, repo, plan, synthetic)
    for path in plan.paths:
        if not path.startswith("data/raw/") or path.split("/")[2] in synthetic:
            _remove(layout.root / path)
    for file in _files_of(layout, plan.clips):  # of stages that failed, which DVC has no record of
        file.unlink()
    if plan.params is not None:
        write_text(PARAMS, plan.params)
    _rewrite_consent(who, read_params(), layout)
    _rewrite_lock(layout.root / "dvc.lock", set(plan.stages))


def _rewrite_imported(who: Who, layout: Layout, repo: "Repo", plan: "Plan", synthetic: Collection[str]) -> None:
    """Take somebody out of the raw videos that were imported, and add what is left to DVC."""
    from dvc.exceptions import DvcException  # type: ignore[import-untyped]

    for added in _added(layout, plan.objects):
        if not added.with_suffix("").is_dir():
            with contextlib.suppress(DvcException):  # a clone that was never given these videos does without
                repo.pull([str(added)])
    for corpus in layout.raw("*").parent.glob("*/"):
        for folder in source_folders(corpus) if corpus.name not in synthetic else []:
            _rewrite_raw(who, folder)
    for added in _added(layout, plan.objects):
        if added.with_suffix("").is_dir():
            with contextlib.redirect_stdout(io.StringIO()):  # what to do next is said in the end
                repo.add(str(added.with_suffix("")))


def _rewrite_raw(who: Who, folder: Path) -> None:
    """Remove somebody's raw videos of a source and the rows about them; with nobody left, all of the folder."""
    videos = read_index(folder)
    ids = zip(ids_of(folder.name, videos), videos, strict=True)
    mine = [video for clip, video in ids if who.includes(folder.name, video.signer, clip)]
    for video in mine:
        (folder / video.file).unlink(missing_ok=True)
    if len(mine) == len(videos):
        folder.with_name(f"{folder.name}.dvc").unlink(missing_ok=True)
        shutil.rmtree(folder)
    elif mine:
        report = folder / "import-report.csv"
        if report.is_file():  # with the names that the files had
            write_rows(report, ["file", "gloss", "refused because it"], [])
        write_index(folder, [video for video in videos if video not in mine])


def _added(layout: Layout, objects: Collection[str]) -> list[Path]:
    """Return the .dvc files of sources in which DVC has noted something that is to go."""
    found = []
    for file in sorted(layout.raw("*").parent.glob("*/*.dvc")):
        outs = (YAML(typ="safe").load(file) or {}).get("outs", [])
        found += [file] if any(out.get("md5") in objects for out in outs) else []
    return found


def _files_of(layout: Layout, clips: Collection[str]) -> list[Path]:
    """Return the files in the working tree that are named after some filmed clips: theirs, or made of them."""
    folders = [layout.root / "data" / name for name in ("clips", "landmarks", "augmented")]
    names = re.compile(rf"(?:.+-)?(?:{'|'.join(map(re.escape, clips))})(?:-\d+)?") if clips else None
    files = [file for folder in folders for file in folder.rglob("*.*") if file.suffix in (".mp4", ".npz")]
    return [file for file in files if names and names.fullmatch(file.stem)]


def _rewrite_consent(who: Who, params: Params, layout: Layout) -> None:
    """Take the rows about somebody, and about sources that are gone, out of the table of consent."""
    file = layout.consent(params.corpus.name)
    if file.is_file():
        rows = read_table(file, COLUMNS)
        known = [row for row in rows if row["source"] in params.corpus.sources]
        left = [row for row in known if not who.includes(row["source"], row["signer"], "")]
        if len(left) < len(rows):
            write_rows(file, COLUMNS, [{name: row[name] for name in COLUMNS} for row in left])


def _rewrite_lock(lock: Path, stages: set[str]) -> None:
    """Take stages out of dvc.lock: they run again, and MLflow makes no run of what they were.

    By lines, as DVC writes them: to parse and write the file of a study takes seconds.
    """
    if lock.is_file():
        kept, keep = [], True
        for line in lock.read_text(encoding="utf-8").splitlines(keepends=True):
            if line[:1].strip() or (line[:2] == "  " and line[2:3].strip()):
                keep = line.strip().rstrip(":").strip("'\"") not in stages
            kept += [line] if keep else []
        text = "".join(kept)
        write_text(lock, text if "\n  " in text else text.replace("stages:\n", "stages: {}\n"))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
