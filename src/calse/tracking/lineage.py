"""The way back from any file: which stage made it, on what, down to the raw videos, with every hash."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from calse.data.clips import Clip
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.runtime.repository import git
from calse.tracking.dvc_index import digests_of, is_recorded, params_of, repository, stages_of
from calse.tracking.expected import parsed

if TYPE_CHECKING:
    from dvc.output import Output  # type: ignore[import-untyped]
    from dvc.stage import PipelineStage  # type: ignore[import-untyped]

GATES = ("metrics/validate", "metrics/ingest")  # they let data pass and shape none of it


@dataclass(frozen=True)
class Node:
    """A file or folder with the md5 that DVC recorded, the stage that made it, and what it was made from.

    Raw data has no stage. `note` says what else is known: `shown above`, or that the file is no longer the recorded
    one. `clips` lists a manifest's or split's clips, each with its own file, hash, parent and way of making.
    """

    path: str
    md5: str | None
    stage: str = ""
    note: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    clips: list[dict[str, Any]] = field(default_factory=list)
    made_from: list["Node"] = field(default_factory=list)


def lineage(layout: Layout, path: str) -> dict[str, Any]:
    """Return the way back from a file or folder: `git` (commit, state of dvc.lock), the file itself, and `node`.

    Raises CalseError when no stage of dvc.yaml has made it.
    """
    changed = git("status", "--porcelain", "dvc.lock")
    head = {"commit": git("rev-parse", "HEAD"), "dvc.lock": "changed since" if changed else "as committed"}
    file = layout.root / path
    own: dict[str, Any] = {"path": path, "sha256": sha256_of(file)} if file.is_file() else {"path": path}
    beside = file.with_suffix(".json")
    if file.suffix == ".safetensors" and beside.is_file():
        own["checkpoint"] = parsed(beside.read_text(encoding="utf-8"), str(beside))
    with repository() as repo:
        walk = Walk(layout, stages_of(repo), own.get("checkpoint", {}).get("test_source"))
        return {"git": head, "file": own, "node": walk.back_from(path)}


class Walk:
    """Walks dvc.lock backwards; each output is shown in full once."""

    def __init__(self, layout: Layout, stages: "dict[str, PipelineStage]", test_source: str | None = None) -> None:
        """Of a split, only the clips that trained against `test_source` are shown."""
        self.layout, self.test_source = layout, test_source
        self.makers = {out.def_path: (stage, out) for stage in stages.values() for out in stage.outs}
        self.shown: set[str] = set()

    def back_from(self, path: str) -> Node:
        """Return the node of the output that is `path`, holds it or lies below it. Raises CalseError without one."""
        found = self._holding(path) or next(iter(self._below(path)), None)
        if found is None:
            raise CalseError(f"{path}: no stage of dvc.yaml has made it; name a file or folder that `dvc repro` made")
        return self._node(found, None)

    def _holding(self, path: str) -> str | None:
        """Return the output that is a path, or holds it."""
        return next((out for out in self.makers if f"{path}/".startswith(f"{out}/")), None)

    def _below(self, folder: str) -> list[str]:
        """Return the outputs that lie in a folder."""
        return [out for out in self.makers if out.startswith(f"{folder}/")]

    def _node(self, path: str, md5: str | None) -> Node:
        """Return what `path` was made from; `md5` is what its reader recorded."""
        if path not in self.makers:
            around = self._holding(path)
            return Node(path, md5, made_from=[self._node(around, None)] if around else [])
        stage, out = self.makers[path]
        recorded = out.hash_info.value
        if path in self.shown or path.startswith(GATES):
            return Node(path, recorded, stage.name, "shown above" if path in self.shown else "")
        self.shown.add(path)
        clips = self._clips(path, stage)
        data, code = digests_of(stage)
        made_from = [self._node(dep, data.get(dep)) for dep in self._read_by(list(data), clips)]
        return Node(
            path=path,
            md5=recorded,
            stage=stage.name,
            note=_state(out),
            params=params_of(stage),
            code=code,
            clips=[_row(clip) for clip in clips],
            made_from=made_from,
        )

    def _clips(self, path: str, stage: "PipelineStage") -> list[Clip]:
        """Return the clips that a manifest or split lists; of a folder of videos, those that its stage listed."""
        listed = [path] if path.endswith(".csv") else [out.def_path for out in stage.outs]
        manifest = next((out for out in listed if out.startswith(("data/manifests/", "data/splits/"))), "")
        file = self.layout.root / manifest
        if not file.is_file():
            return []
        if manifest.startswith("data/splits/") and self.test_source:
            return read_split(file).train(self.test_source)
        return read_manifest(file)

    def _read_by(self, deps: list[str], clips: list[Clip]) -> list[str]:
        """Return the data that a stage read; of a folder that stages share, only what its clips came from."""
        used = {self.layout.source_manifest(clip.source) for clip in clips}
        used |= {self.layout.set_manifest(clip.set) for clip in clips}
        found: list[str] = []
        for dep in deps:
            shared = [] if dep in self.makers else self._below(dep)
            found += [out for out in shared if not clips or self.layout.root / out in used] or ([] if shared else [dep])
        return found


def _state(out: "Output") -> str:
    """Say whether a small file is no longer what DVC recorded; videos and weights are not read for that."""
    if not out.def_path.endswith((".csv", ".json")) or is_recorded(out):
        return ""
    return "changed since DVC recorded it" if out.exists else "not here"


def _row(clip: Clip) -> dict[str, Any]:
    """Return what is shown of a clip; what is empty is left out."""
    known = {"clip": clip.clip, "path": clip.path, "sha256": clip.sha256, "set": clip.set, "parent": clip.parent}
    return {name: value for name, value in known.items() if value} | {"source": clip.source, "made": clip.details}
