"""What DVC knows of one state of the repository: its stages, what they ran on, and the files that they made."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from calse.config.params import flat
from calse.runtime.errors import CalseError

if TYPE_CHECKING:
    from dvc.output import Output  # type: ignore[import-untyped]
    from dvc.repo import Repo  # type: ignore[import-untyped]
    from dvc.stage import PipelineStage  # type: ignore[import-untyped]


@contextmanager
def repository(revision: str | None = None) -> Iterator["Repo"]:
    """Open the working tree or a revision as DVC sees it.

    Raises CalseError, in one line, for what DVC cannot read: dvc.lock, dvc.yaml or params.yaml.
    """
    from dvc.exceptions import DvcException  # type: ignore[import-untyped]
    from dvc.repo import Repo

    try:
        with Repo(rev=revision) as repo:
            yield repo
    except DvcException as error:
        raise CalseError(" ".join(f"{error} {error.__cause__ or ''}".split())[:300]) from None


def stages_of(repo: "Repo") -> dict[str, "PipelineStage"]:
    """Return the stages of dvc.yaml that have run and that params.yaml still names, by name."""
    from dvc.stage import PipelineStage

    stages = [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]
    return {stage.name: stage for stage in stages if stage.outs and all(out.hash_info for out in stage.outs)}


def name_of(stage: "PipelineStage") -> str:
    """Return the name that a stage has in dvc.yaml: `train` of `train@i3d-AF1`."""
    return str(stage.name.partition("@")[0])


def item_of(stage: "PipelineStage") -> str:
    """Return what tells a stage from others of its matrix: `i3d-AF1` of `train@i3d-AF1`."""
    return str(stage.name.partition("@")[2])


def params_of(stage: "PipelineStage") -> dict[str, Any]:
    """Return the parameters that a stage ran with, dotted; `report` names none, but the file as a whole."""
    return {name: value for dep in stage.params if dep.params for name, value in flat(dep.hash_info.value or {})}


def digests_of(stage: "PipelineStage") -> tuple[dict[str, str], dict[str, str]]:
    """Return the digest of each file and folder of data that a stage read, and of code, as dvc.lock lists them."""
    deps = {dep.def_path: dep.hash_info.value for dep in stage.deps if dep not in stage.params and dep.hash_info}
    code = {path: digest for path, digest in deps.items() if path.startswith("src/")}
    return {path: digest for path, digest in deps.items() if path not in code}, code


def corpus_of(stages: "dict[str, PipelineStage]") -> str:
    """Return the name of the corpus that was ingested, which names the MLflow experiment; none before that."""
    return str(next((found for stage in stages.values() if (found := params_of(stage).get("corpus.name"))), ""))


def is_recorded(out: "Output") -> bool:
    """Say whether what lies at an output's place is what dvc.lock lists: not deleted, edited or half rewritten."""
    return bool(out.exists and not out.changed_checksum())


def recorded_text(out: "Output") -> str | None:
    """Return the text of an output that is a file; none when it is not what dvc.lock lists."""
    return str(out.fs.read_text(out.fs_path, encoding="utf-8")) if is_recorded(out) else None


def texts_below(repo: "Repo", out: "Output") -> dict[str, str]:
    """Return the text of each CSV and JSON file in an output's folder: from the working tree, git or DVC's cache.

    What is in none of them has none; nothing is fetched from a remote.
    """
    from dvc_data.index import DataIndexDirError

    fs, root = (repo.fs, f"{repo.root_dir}/") if repo.fs.protocol == "local" else (repo.dvcfs, "/")
    with suppress(DataIndexDirError, FileNotFoundError):
        paths = [path for path in sorted(fs.find(root + out.def_path)) if path.endswith((".csv", ".json"))]
        return {path.removeprefix(root): fs.read_text(path, encoding="utf-8") for path in paths}
    return {}
