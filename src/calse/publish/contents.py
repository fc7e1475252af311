"""What of a study may be published: whatever everybody who is behind it allows to be shared, and nothing else."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from calse.config.params import Params
from calse.data.clips import Clip
from calse.data.consent import Consent
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.runtime.errors import CalseError
from calse.tracking.dvc_index import digests_of, is_recorded

if TYPE_CHECKING:
    from dvc.output import Output  # type: ignore[import-untyped]
    from dvc.stage import PipelineStage  # type: ignore[import-untyped]

TABLES = ("data/manifests/", "data/splits/")
# Raw videos are in the clips; third parties publish their own models; pages and sheets show faces without a mark.
KEPT_HERE = ("data/raw/", "models/published", "data/report/", "data/inputs/")


@dataclass
class Contents:
    """What goes out: the clips of each table by its path, and files as they are.

    `left_out` says what does not, as a stage's output with how much of it.
    """

    tables: dict[str, list[Clip]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def clips(self) -> list[Clip]:
        """Every clip once: a split lists those of manifests."""
        return [clip for path, clips in self.tables.items() if path.startswith("data/manifests/") for clip in clips]


class Sharing:
    """Tells whether everybody behind a clip, a table of clips or a stage allows that it is shared."""

    def __init__(self, params: Params, layout: Layout, consent: Consent) -> None:
        self._params, self._layout, self._consent = params, layout, consent
        self._known: dict[str, bool] = {}

    def allows_clip(self, clip: Clip) -> bool:
        """Ask a clip's signer, and all who are in the model that swapped its face."""
        return self._consent.permits(clip, "share") and (
            clip.set not in self._params.swap or self._allows_model(clip.set)
        )

    def _allows_model(self, set_name: str) -> bool:
        """Say whether all who are in the model of a set allow it; without a model, its donor and signers."""
        file = self._layout.swap_model(set_name) / "model.json"
        settings = self._params.swap[set_name]
        both = [settings.donor, settings.signers]
        sources = json.loads(file.read_text(encoding="utf-8")).get("data", both) if file.is_file() else both
        return all(self.allows_table(self._layout.source_manifest(source)) for source in sources)

    def allows_table(self, path: Path) -> bool:
        """Ask all who are in the clips of a manifest or split."""
        name = path.as_posix()
        if name not in self._known:
            self._known[name] = all(map(self.allows_clip, read_manifest(path)))
        return self._known[name]

    def allows_stage(self, stage: "PipelineStage") -> bool:
        """Ask all who are in the tables that a stage has read or written."""
        paths = [*digests_of(stage)[0], *(out.def_path for out in stage.outs)]
        return all(self.allows_table(file) for file in tables_of(self._layout, paths))


def tables_of(layout: Layout, paths: Iterable[str]) -> list[Path]:
    """Return the manifests and splits among some files and below some folders."""
    found: list[Path] = []
    for path in paths:
        if f"{path}/".startswith(TABLES):
            place = layout.root / path
            found += sorted(place.rglob("*.csv")) if place.is_dir() else [place]
    return found


def contents_of(params: Params, layout: Layout, consent: Consent, stages: "dict[str, PipelineStage]") -> Contents:
    """Return what may be published of what these stages have made.

    Raises CalseError naming an output that is missing, or no longer what dvc.lock lists.
    """
    sharing, contents = Sharing(params, layout, consent), Contents()
    for stage in stages.values():
        for out in stage.outs:
            if not f"{out.def_path}/".startswith(KEPT_HERE):
                _check(out)
                _add(contents, layout, sharing, stage, out)
    return contents


def _check(out: "Output") -> None:
    """Raise CalseError unless an output is here and as dvc.lock lists it."""
    if not out.exists:
        raise CalseError(f"{out.def_path} is not here; `dvc pull` fetches it, or `dvc repro` makes it")
    if not is_recorded(out):
        raise CalseError(f"{out.def_path} is not what dvc.lock lists; `dvc repro` or `dvc checkout` mends it")


def _add(contents: Contents, layout: Layout, sharing: Sharing, stage: "PipelineStage", out: "Output") -> None:
    """Add what may be shared of an output. Clips come with their manifests."""
    path = layout.root / out.def_path
    if out.def_path.startswith(("data/clips/", "data/augmented/")):
        return
    if out.def_path.startswith(TABLES):
        clips = read_manifest(path)
        allowed = contents.tables[out.def_path] = list(filter(sharing.allows_clip, clips))
        if len(allowed) < len(clips):
            contents.left_out[out.def_path] = f"{len(clips) - len(allowed)} of {len(clips)} clips"
        return
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    if out.def_path.startswith("data/landmarks/"):
        source = layout.source_manifest(path.name)
        allowed_ids = {clip.clip for clip in read_manifest(source) if sharing.allows_clip(clip)}
        may = {file: file.stem in allowed_ids for file in files}
    elif stage.name.startswith("train@") and out.def_path.startswith("models/"):
        may = {file: _of_training(sharing, layout, path.name, file.relative_to(path)) for file in files}
    else:
        may = dict.fromkeys(files, sharing.allows_stage(stage))
    contents.files += [file for file in files if may[file]]
    if not all(may.values()):
        contents.left_out[out.def_path] = f"{len(files) - sum(may.values())} of {len(files)} files"


def _of_training(sharing: Sharing, layout: Layout, recipe: str, file: Path) -> bool:
    """Say whether a checkpoint may be shared: by those whom it was trained on, not by those it was tested on."""
    split = read_split(layout.split(recipe))
    test_source = file.parts[0]
    return all(map(sharing.allows_clip, split.train(test_source))) if test_source in split.roles else False
