"""What somebody went into in one version of the study, by DVC's record of it: objects by hash, outputs, stages.

A clip's file, landmarks and copies are the clip's alone. What mixes people (a checkpoint, a table, a listing) goes as a
whole; of a stage that this file knows nothing of, all outputs do once anything that it read is touched.
"""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from calse.corpus.raw import RawVideo, ids_of
from calse.people.history import Entry, Objects, State
from calse.people.who import Filmed, Who
from calse.tracking.lineage import GATES

Rows = list[dict[str, str]]
KINDS = {
    "data/raw": "raw videos",
    "data/clips": "ingested clips",
    "data/landmarks": "landmarks",
    "data/augmented": "generated clips",
    "models/faceswap": "swap models",
    "models/": "checkpoints",
    "data/report": "report pages",
    "": "tables",
}


@dataclass
class Traces:
    """What is touched in one or more versions.

    `objects` are hashes with the path that each had, `shared` hashes that untouched things have too; `stages`, `paths`
    and `files` the touched stages, outputs and what is touched in these; `read` what stages read of it, by path and
    digest; `recordings` sha256 of raw videos; `filmed` every filmed clip that is listed, touched or not.
    """

    objects: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    stages: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    read: set[tuple[str, str]] = field(default_factory=set)
    recordings: set[str] = field(default_factory=set)
    filmed: set[Filmed] = field(default_factory=set)

    def add(self, other: "Traces") -> None:
        """Take in what is touched in another version; stages and paths are those of one."""
        self.objects |= other.objects
        self.shared |= other.shared
        self.read |= other.read
        self.recordings |= other.recordings
        self.filmed |= other.filmed


class Search:
    """Looks for people in versions of the study; `objects` reads an object of DVC's by its hash."""

    def __init__(self, who: Who, objects: Objects) -> None:
        self.who, self.objects = who, objects
        self.listings: dict[str, dict[str, str]] = {}
        self.tables: dict[str, Rows] = {}

    def filmed_in(self, versions: Iterable[State]) -> set[Filmed]:
        """Return every filmed clip that some version lists."""
        found = Traces()
        for state in versions:
            self._filmed(state, found)
            self._raw_videos(state, found)
        return found.filmed

    def traces_in(self, state: State) -> Traces:
        """Return what is touched in a version."""
        found = Traces()
        self._filmed(state, found)
        self._raw_videos(state, found)
        before = -1
        while before != len(found.paths):  # until nothing more is touched: stages stand in no order of their own
            before = len(found.paths)
            for name, stage in state.stages.items():
                for out in stage.get("outs", []):
                    self._out(state, name, stage, out, found)
        for stage in state.stages.values():
            for dep in stage.get("deps", []):
                if _is_touched(dep["path"], found.paths):
                    found.read.add((dep["path"], dep.get("md5", "")))
        self._untouched(state, found)
        return found

    def _filmed(self, state: State, found: Traces) -> None:
        """Note every ingested clip, and the raw videos of touched ones, whose own listing may be gone."""
        for stage in state.stages.values():
            for out in stage.get("outs", []):
                rows = self._rows(state, out) if out["path"].startswith("data/manifests/sources/") else []
                found.filmed |= {
                    Filmed(row["source"], row["signer"], row["clip"], row.get("content", "")) for row in rows
                }
                if self._touched_rows_of(rows, found):
                    found.paths |= {dep["path"] for dep in stage.get("deps", []) if dep["path"].startswith("data/raw/")}

    def _raw_videos(self, state: State, found: Traces) -> None:
        for entry in [*state.added, *(out for stage in state.stages.values() for out in stage.get("outs", []))]:
            if entry["path"].startswith("data/raw/"):
                self._raw(entry, found)

    def _raw(self, entry: Entry, found: Traces) -> None:
        """Look into raw videos: a source's own folder, or a corpus with a folder for each source."""
        files = self._listing(entry)
        for index in [name for name in files if name.rpartition("/")[2] == "clips.csv"]:
            folder = index.removesuffix("clips.csv")
            source = folder.strip("/") or entry["path"].rpartition("/")[2]
            rows = _parsed(self.objects(files[index]) or b"")
            videos = [RawVideo(r["file"], r["gloss"], r["signer"], int(r["take"]), r["sha256"]) for r in rows]
            touched = []
            for clip, video in zip(ids_of(source, videos), videos, strict=True):
                found.filmed.add(Filmed(source, video.signer, clip, ""))
                if self.who.is_in(source, video.signer, clip):
                    stem = video.file.rpartition(".")[0]
                    touched += [f"{folder}{video.file}", f"{folder}truth/{stem}.npz"]
                    found.recordings.add(video.sha256)
            if touched:
                self._touch(entry, found, [*touched, index, f"{folder}import-report.csv"])
                found.paths.add(f"{entry['path']}/{folder}".rstrip("/"))

    def _out(self, state: State, name: str, stage: Entry, out: Entry, found: Traces) -> None:
        path = out["path"]
        if path.startswith("data/raw/") and _is_touched(path, found.paths):
            found.stages.add(name)
        if path in found.paths or path.startswith("data/raw/"):
            return
        inputs = [dep["path"] for dep in stage.get("deps", []) if not f"{dep['path']}/".startswith(GATES)]
        some = any(_is_touched(dep, found.paths) for dep in inputs)
        names = self._names(state, stage, out, found) if some else []
        if names is None or names:
            found.stages.add(name)
            self._touch(out, found, names)

    def _names(self, state: State, stage: Entry, out: Entry, found: Traces) -> list[str] | None:
        """Return the touched files in an output, which some of what the stage read may have touched; None for all."""
        path: str = out["path"]
        top, _, inner = path.partition("/")
        kind, _, name = inner.partition("/")
        if path.startswith(("data/manifests/", "data/splits/")):
            return None if self._touched_rows(state, out, found) else []
        if path.startswith(("data/clips/", "data/landmarks/", "data/augmented/")):
            table = next((o for o in stage["outs"] if o["path"].startswith("data/manifests/")), None)
            table = table or next(
                (d for d in stage.get("deps", []) if d["path"].startswith("data/manifests/sources/")), None
            )
            if table is None:
                return None
            suffix = ".npz" if kind == "landmarks" else ".mp4"
            clips = [f"{row['clip']}{suffix}" for row in self._touched_rows(state, table, found)]
            others = [file for file in self._listing(out) if not file.endswith((".mp4", ".npz"))]
            return clips + others if clips else []  # a contact sheet shows several
        if path.startswith(("models/faceswap/", "metrics/swap-train/")):
            return None if self._is_in_swap(state, name.removesuffix(".csv"), found) else []
        if top in ("models", "metrics") and stage.get("cmd", "").find(" train ") > 0:
            return self._of_training(state, stage, out, found)
        return None

    def _is_in_swap(self, state: State, set_name: str, found: Traces) -> bool:
        """Say whether a swap model was made of somebody: the donor, or one whose face it was trained to replace."""
        outs = (out for stage in state.stages.values() for out in stage.get("outs", []))
        out = next((out for out in outs if out["path"].startswith(f"models/faceswap/{set_name}")), None)
        data = out and self.objects(self._listing(out).get("model.json", ""))
        if not data:
            return True
        sources = json.loads(data).get("data", {})  # by which it was made, with their manifests' hashes
        return not sources or any(f"data/manifests/sources/{source}.csv" in found.paths for source in sources)

    def _of_training(self, state: State, stage: Entry, out: Entry, found: Traces) -> list[str] | None:
        """Return the checkpoints, or curves, of those test sources against which a touched clip trained."""
        table = next((dep for dep in stage.get("deps", []) if dep["path"].startswith("data/splits/")), None)
        if table is None or not self._rows(state, table):
            return None
        rows = self._touched_rows(state, table, found)
        tests = {name for row in rows for name, role in row.items() if role in ("train", "validation")}
        return [
            file
            for file in self._listing(out)
            if file.startswith(tuple(f"{t}{c}" for t in tests for c in ("/", "-seed-")))
        ]

    def _touched_rows(self, state: State, table: Entry, found: Traces) -> Rows:
        return self._touched_rows_of(self._rows(state, table), found)

    def _touched_rows_of(self, rows: Rows, found: Traces) -> Rows:
        parents = {row["clip"]: row["parent"] for row in rows}
        return [row for row in rows if self._is_touched_row(row, parents, found)]

    def _is_touched_row(self, row: dict[str, str], parents: dict[str, str], found: Traces) -> bool:
        filmed = row["parent"] or row["clip"]
        while parents.get(filmed):
            filmed = parents[filmed]
        in_swap = row["set"] and f"models/faceswap/{row['set']}" in found.paths
        return bool(in_swap) or self.who.is_in(row["source"], row["signer"], filmed)

    def _rows(self, state: State, table: Entry) -> Rows:
        key = f"{table.get('md5')} {table['path']}"
        if key not in self.tables:
            self.tables[key] = _parsed((state.text(table, self.objects) or "").encode())
        return self.tables[key]

    def _listing(self, out: Entry) -> dict[str, str]:
        """Return path and hash of the files in a folder of DVC's; none when its listing is nowhere any more."""
        digest = out.get("md5", "")
        if not digest.endswith(".dir"):
            return {}
        if digest not in self.listings:
            data = self.objects(digest)
            self.listings[digest] = {one["relpath"]: one["md5"] for one in json.loads(data or b"[]")}
        return self.listings[digest]

    def _touch(self, out: Entry, found: Traces, names: Iterable[str] | None) -> None:
        if not out["path"].startswith("data/raw/"):  # of which a source alone may be touched
            found.paths.add(out["path"])
        files = self._listing(out)
        chosen = files.keys() if names is None else files.keys() & names
        touched = {f"{out['path']}/{name}": files[name] for name in chosen}
        touched[out["path"]] = out.get("md5", "")
        found.files |= touched.keys()
        found.objects |= {digest: path for path, digest in touched.items() if digest}

    def _untouched(self, state: State, found: Traces) -> None:
        """Note the hashes of files that others have: equal bytes, such as landmarks without a face, tell of nobody."""
        every = [*state.added, *(out for stage in state.stages.values() for out in stage.get("outs", []))]
        for out in every:
            files = {f"{out['path']}/{name}": digest for name, digest in self._listing(out).items()}
            files[out["path"]] = out.get("md5", "")
            found.shared |= {digest for path, digest in files.items() if path not in found.files}


def kind_of(digest: str, path: str) -> str:
    """Return what an object is, by its hash and the path that it had."""
    if digest.endswith(".dir"):
        return "listings of folders"
    return next(kind for start, kind in KINDS.items() if path.startswith(start))


def _is_touched(path: str, touched: set[str]) -> bool:
    """Say whether something touched is this path, lies in it or holds it."""
    return any(f"{path}/".startswith(f"{one}/") or one.startswith(f"{path}/") for one in touched)


def _parsed(data: bytes) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8", "replace"))))
