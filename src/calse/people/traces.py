"""What somebody went into in one version of the study, by DVC's record of it: objects by hash, outputs, stages.

A clip's file, landmarks and copies are the clip's alone. What mixes people (a checkpoint, a table, a listing) goes as a
whole; of a stage that this file knows nothing of, all outputs do once anything that it read is touched.
"""

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from calse.corpus.raw import RawVideo, ids_of
from calse.people.history import Entry, Rows, State, Tables, rows_of
from calse.people.who import Filmed, Who
from calse.tracking.lineage import GATES

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


def filmed_in(state: State, tables: Tables) -> set[Filmed]:
    """Return every filmed clip that a version lists."""
    search = Search(Who(), tables, state)
    search.look_at_filmed()
    return search.found.filmed


def traces_in(state: State, who: Who, tables: Tables) -> Traces:
    """Return what people went into in a version."""
    search = Search(who, tables, state)
    search.look_at_filmed()
    search.look_at_stages()
    search.look_at_untouched()
    return search.found


class Search:
    """Looks for people in one version of the study; `found` is what is touched, as far as it has looked."""

    def __init__(self, who: Who, tables: Tables, state: State) -> None:
        self.who, self.tables, self.state = who, tables, state
        self.outs = [out for stage in state.stages.values() for out in stage.get("outs", [])]
        self.found = Traces()

    def look_at_filmed(self) -> None:
        """Note every filmed clip, ingested or raw, and the raw videos of touched ones."""
        for stage in self.state.stages.values():
            for out in stage.get("outs", []):
                rows = self._rows(out) if out["path"].startswith("data/manifests/sources/") else []
                self.found.filmed |= {
                    Filmed(row["source"], row["signer"], row["clip"], row.get("content", "")) for row in rows
                }
                if self._touched_of(rows):  # the raw videos' own listing may be gone
                    raw = {dep["path"] for dep in stage.get("deps", []) if dep["path"].startswith("data/raw/")}
                    self.found.paths |= raw
        for entry in [*self.state.added, *self.outs]:
            if entry["path"].startswith("data/raw/"):
                self._look_at_raw(entry)

    def _look_at_raw(self, entry: Entry) -> None:
        """Look into raw videos: a source's own folder, or a corpus with a folder for each source."""
        files = self.tables.listing(entry)
        for index in [name for name in files if name.rpartition("/")[2] == "clips.csv"]:
            folder = index.removesuffix("clips.csv")
            source = folder.strip("/") or entry["path"].rpartition("/")[2]
            rows = rows_of(self.tables.objects(files[index]) or b"")
            videos = [RawVideo(r["file"], r["gloss"], r["signer"], int(r["take"]), r["sha256"]) for r in rows]
            touched = []
            for clip, video in zip(ids_of(source, videos), videos, strict=True):
                self.found.filmed.add(Filmed(source, video.signer, clip, ""))
                if self.who.includes(source, video.signer, clip):
                    stem = video.file.rpartition(".")[0]
                    touched += [f"{folder}{video.file}", f"{folder}truth/{stem}.npz"]
                    self.found.recordings.add(video.sha256)
            if touched:
                self._touch(entry, [*touched, index, f"{folder}import-report.csv"])
                self.found.paths.add(f"{entry['path']}/{folder}".rstrip("/"))

    def look_at_stages(self) -> None:
        """Follow what was made of touched things from stage to stage, and note what of it each stage read."""
        before = -1
        while before != len(self.found.paths):  # until nothing more is touched: stages stand in no order of their own
            before = len(self.found.paths)
            for name, stage in self.state.stages.items():
                for out in stage.get("outs", []):
                    self._look_at_output(name, stage, out)
        for stage in self.state.stages.values():
            for dep in stage.get("deps", []):
                if _is_touched(dep["path"], self.found.paths):
                    self.found.read.add((dep["path"], dep.get("md5", "")))

    def _look_at_output(self, name: str, stage: Entry, out: Entry) -> None:
        """Note an output that holds something touched, and its stage."""
        path = out["path"]
        if path.startswith("data/raw/") and _is_touched(path, self.found.paths):
            self.found.stages.add(name)
        if path in self.found.paths or path.startswith("data/raw/"):
            return
        inputs = [dep["path"] for dep in stage.get("deps", []) if not f"{dep['path']}/".startswith(GATES)]
        some = any(_is_touched(dep, self.found.paths) for dep in inputs)
        names = self._touched_files(stage, out) if some else []
        if names is None or names:
            self.found.stages.add(name)
            self._touch(out, names)

    def _touched_files(self, stage: Entry, out: Entry) -> list[str] | None:
        """Return the touched files in an output, which some of what the stage read may have touched; None for all."""
        path: str = out["path"]
        top, _, inner = path.partition("/")
        kind, _, name = inner.partition("/")
        if path.startswith(("data/manifests/", "data/splits/")):
            return None if self._touched_rows(out) else []
        if path.startswith(("data/clips/", "data/landmarks/", "data/augmented/")):
            made = (o for o in stage["outs"] if o["path"].startswith("data/manifests/"))
            read = (d for d in stage.get("deps", []) if d["path"].startswith("data/manifests/sources/"))
            table = next(itertools.chain(made, read), None)
            if table is None:
                return None
            suffix = ".npz" if kind == "landmarks" else ".mp4"
            clips = [f"{row['clip']}{suffix}" for row in self._touched_rows(table)]
            others = [file for file in self.tables.listing(out) if not file.endswith((".mp4", ".npz"))]
            return clips + others if clips else []  # a contact sheet shows several
        if path.startswith(("models/faceswap/", "metrics/swap-train/")):
            return None if self._is_in_swap(name.removesuffix(".csv")) else []
        if top in ("models", "metrics") and " train " in stage.get("cmd", ""):
            return self._touched_trainings(stage, out)
        return None

    def _is_in_swap(self, set_name: str) -> bool:
        """Say whether a swap model was made of somebody: the donor, or one whose face it was trained to replace."""
        out = next((out for out in self.outs if out["path"].startswith(f"models/faceswap/{set_name}")), None)
        data = out and self.tables.objects(self.tables.listing(out).get("model.json", ""))
        if not data:
            return True
        sources = json.loads(data).get("data", {})  # by which it was made, with their manifests' hashes
        return not sources or any(f"data/manifests/sources/{source}.csv" in self.found.paths for source in sources)

    def _touched_trainings(self, stage: Entry, out: Entry) -> list[str] | None:
        """Return the checkpoints, or curves, of those test sources against which a touched clip trained."""
        table = next((dep for dep in stage.get("deps", []) if dep["path"].startswith("data/splits/")), None)
        if table is None or not self._rows(table):
            return None
        rows = self._touched_rows(table)
        tests = {name for row in rows for name, role in row.items() if role in ("train", "validation")}
        starts = tuple(f"{test}{end}" for test in tests for end in ("/", "-seed-"))
        return [file for file in self.tables.listing(out) if file.startswith(starts)]

    def _rows(self, table: Entry) -> Rows:
        """Return the rows of a table as this version has it."""
        return self.tables.rows(self.state, table)

    def _touched_rows(self, table: Entry) -> Rows:
        """Return the rows of a table that are about somebody."""
        return self._touched_of(self._rows(table))

    def _touched_of(self, rows: Rows) -> Rows:
        """Return the rows of clips that show somebody, or whose face was swapped by a model that was made of them."""
        parents = {row["clip"]: row["parent"] for row in rows}
        touched = []
        for row in rows:
            filmed = row["parent"] or row["clip"]
            while parents.get(filmed):
                filmed = parents[filmed]
            in_swap = row["set"] and f"models/faceswap/{row['set']}" in self.found.paths
            if in_swap or self.who.includes(row["source"], row["signer"], filmed):
                touched.append(row)
        return touched

    def _touch(self, out: Entry, names: Iterable[str] | None) -> None:
        """Note an output and these files in it; all of them without `names`."""
        if not out["path"].startswith("data/raw/"):  # of which a source alone may be touched
            self.found.paths.add(out["path"])
        files = self.tables.listing(out)
        chosen = files.keys() if names is None else files.keys() & names
        touched = {f"{out['path']}/{name}": files[name] for name in chosen}
        touched[out["path"]] = out.get("md5", "")
        self.found.files |= touched.keys()
        self.found.objects |= {digest: path for path, digest in touched.items() if digest}

    def look_at_untouched(self) -> None:
        """Note the hashes of files that others have: equal bytes, such as landmarks without a face, tell of nobody."""
        for out in [*self.state.added, *self.outs]:
            files = {f"{out['path']}/{name}": digest for name, digest in self.tables.listing(out).items()}
            files[out["path"]] = out.get("md5", "")
            self.found.shared |= {digest for path, digest in files.items() if path not in self.found.files}


def kind_of(digest: str, path: str) -> str:
    """Return what an object is, by its hash and the path that it had."""
    if digest.endswith(".dir"):
        return "listings of folders"
    return next(kind for start, kind in KINDS.items() if path.startswith(start))


def _is_touched(path: str, touched: set[str]) -> bool:
    """Say whether something touched is this path, lies in it or holds it."""
    return any(f"{path}/".startswith(f"{one}/") or one.startswith(f"{path}/") for one in touched)
