"""Runs as MLflow should hold them, described from dvc.lock and the files that it vouches for, through DVC's index."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calse.data.clips import compact_json
from calse.runtime.errors import CalseError
from calse.tracking.content import Content, curve, flat, metrics, numbers, params

if TYPE_CHECKING:
    from dvc.output import Output  # type: ignore[import-untyped]
    from dvc.repo import Repo  # type: ignore[import-untyped]
    from dvc.stage import PipelineStage  # type: ignore[import-untyped]

FINGERPRINT, TRAINING = "calse.fingerprint", "calse.training"
PIPELINE, TRAIN = "pipeline", "train"
POINTS = 200  # of a curve that nothing logged live: more than a picture shows


@dataclass(frozen=True)
class Description:
    """A run as it should be. `fingerprint` tells it from runs of other parameters, data or code.

    A training's has its checkpoint, and in `training` what that says of itself: a run that was logged live has it too.
    """

    name: str
    stage: str
    fingerprint: str
    content: Content
    training: str = ""
    checkpoint: str = ""

    @property
    def tags(self) -> dict[str, str]:
        """What finds the run again."""
        return {FINGERPRINT: self.fingerprint} | ({TRAINING: self.training} if self.training else {})


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


def params_of(stage: "PipelineStage") -> dict[str, Any]:
    """Return the parameters that a stage ran with, dotted; `report` names none, but the file as a whole."""
    return {name: value for dep in stage.params if dep.params for name, value in flat(dep.hash_info.value or {})}


def digests_of(stage: "PipelineStage") -> tuple[dict[str, str], dict[str, str]]:
    """Return the digest of each file and folder of data that a stage read, and of code, as dvc.lock lists them."""
    deps = {dep.def_path: dep.hash_info.value for dep in stage.deps if dep not in stage.params and dep.hash_info}
    code = {path: digest for path, digest in deps.items() if path.startswith("src/")}
    return {path: digest for path, digest in deps.items() if path not in code}, code


def is_recorded(out: "Output") -> bool:
    """Say whether what lies at an output's place is what dvc.lock lists: not deleted, edited or half rewritten."""
    return bool(out.exists and not out.changed_checksum())


def corpus_of(stages: "dict[str, PipelineStage]") -> str:
    """Return the name of the corpus that was ingested, which names the MLflow experiment; none before that."""
    return str(next((found for stage in stages.values() if (found := params_of(stage).get("corpus.name"))), ""))


def describe(repo: "Repo", pipeline: str) -> tuple[str, list[Description]]:
    """Return the name of the corpus and all runs of one state of the repository, the pipeline's own last."""
    stages = stages_of(repo)
    corpus = corpus_of(stages)
    if not corpus:
        return "", []
    trainings = [stage for stage in stages.values() if base(stage) == TRAIN]
    models = {out.def_path: (stage.name, out.hash_info.value) for stage in trainings for out in stage.outs}
    scores: dict[str, dict[str, Any]] = {}
    found = []
    for stage in stages.values():
        read = {path: digest for path, digest in digests_of(stage)[0].items() if path in models}
        for path, digest in read.items():  # it measured trainings: they show its figures, unless they are newer
            if models[path][1] == digest:
                scores[models[path][0]] = _scores(stage)
        if not read and stage not in trainings and (figures := _figures(stage)):
            found.append(_of_stage(stage, figures))
    for stage in trainings:
        found += _of_trainings(repo, stage, scores.get(stage.name, {}))
    return corpus, [*found, _of_pipeline(stages, scores, pipeline)]


def base(stage: "PipelineStage") -> str:
    """Return the name that a stage has in dvc.yaml: `train` of `train@i3d-AF1`."""
    return str(stage.name.partition("@")[0])


def key(stage: "PipelineStage") -> str:
    """Return what tells a stage from others of its matrix: `i3d-AF1` of `train@i3d-AF1`."""
    return str(stage.name.partition("@")[2])


def _read(out: "Output") -> str:
    return str(out.fs.read_text(out.fs_path, encoding="utf-8"))


def _files(repo: "Repo", out: "Output") -> dict[str, str]:
    """Return the text of each CSV and JSON file below a folder, from the working tree, or from git or DVC's cache.

    What is neither here nor there has none; nothing is fetched from a remote.
    """
    from dvc_data.index import DataIndexDirError

    fs, root = (repo.fs, f"{repo.root_dir}/") if repo.fs.protocol == "local" else (repo.dvcfs, "/")
    with suppress(DataIndexDirError, FileNotFoundError):
        paths = [path for path in sorted(fs.find(root + out.def_path)) if path.endswith((".csv", ".json"))]
        return {path.removeprefix(root): fs.read_text(path, encoding="utf-8") for path in paths}
    return {}


def _figures(stage: "PipelineStage") -> Content:
    """Return what a stage measured, as numbers or as a curve; of one that measures nothing, its number of clips."""
    outs = [out for out in stage.outs if out.def_path.startswith(("metrics/", "data/manifests/"))]
    for out in sorted(outs, key=lambda out: not out.def_path.startswith("metrics/")):
        if not out.def_path.endswith((".json", ".csv")) or not is_recorded(out):
            continue
        if out.def_path.endswith(".json"):
            return metrics(numbers(json.loads(_read(out))))
        if out.is_plot:
            return curve(_read(out), POINTS)
        return metrics([("clips", sum(1 for _ in csv.DictReader(io.StringIO(_read(out)))))])
    return {}


def _of_stage(stage: "PipelineStage", figures: Content) -> Description:
    data, code = digests_of(stage)
    identity = {"stage": stage.name, "params": params_of(stage), "deps": data | code}
    own = {name.replace(f".{key(stage)}.", "."): value for name, value in params_of(stage).items()}
    return _finished(stage.name, base(stage), identity, params(own) | _inputs(data) | figures)


def _of_trainings(repo: "Repo", stage: "PipelineStage", scores: dict[str, Any]) -> Iterator[Description]:
    """Yield a run for each checkpoint of a training stage, whose JSON says what it is."""
    outs = {out.def_path.partition("/")[0]: out for out in stage.outs}
    curves = outs.get("metrics")
    if "models" not in outs or (curves and not is_recorded(curves)):
        return
    data, code = digests_of(stage)
    drawn = _files(repo, curves) if curves else {}
    for path, text in _files(repo, outs["models"]).items():
        info = parsed(text, path)
        source, seed = info["test_source"], info["seed"]
        content = of_training(info) | _inputs(data)
        if curves and (points := drawn.get(f"{curves.def_path}/{source}-seed-{seed}.csv")):
            content |= curve(points)  # every point: that is what was logged live
        for test_set, sources in scores.items():
            prefix = "test." if test_set == "filmed" else f"test.{test_set}."
            measured = sources.get(source) if isinstance(sources, dict) else None
            if isinstance(measured, dict):
                content |= metrics(numbers(measured.get("seeds", {}).get(str(seed), {}), prefix))
        identity = {"training": info["fingerprint"], "code": code}
        checkpoint = path.removesuffix(".json") + ".safetensors"
        yield _finished(training_name(info), TRAIN, identity, content, info["fingerprint"], checkpoint)


def training_name(info: dict[str, Any]) -> str:
    """Return the name of a training's run."""
    return "-".join(str(info[name]) for name in ("recogniser", "recipe", "test_source", "seed"))


def of_training(info: dict[str, Any]) -> Content:
    """Return the parameters of a training: all plain values of what its checkpoint says of itself."""
    plain = {
        name: value for name, value in info.items() if not isinstance(value, (dict, list)) and value not in ("", None)
    }
    plain.pop("fingerprint")
    return params(plain | {"train": info["params"]})


def parsed(text: str, path: str) -> Any:
    """Return what a JSON file holds. Raises CalseError naming it when it is damaged."""
    try:
        return json.loads(text)
    except ValueError:
        raise CalseError(f"{path} is damaged; remove it, then: dvc checkout, or dvc repro") from None


def _scores(stage: "PipelineStage") -> dict[str, Any]:
    """Return an evaluation's measures by test set, test source and seed."""
    files = [out for out in stage.outs if out.def_path.endswith(".json") and is_recorded(out)]
    return dict(json.loads(_read(files[0]))) if files else {}


def _of_pipeline(stages: dict[str, "PipelineStage"], scores: dict[str, Any], name: str) -> Description:
    """Describe the parent of a state's runs: every parameter on which its stages agree, and every mean measure."""
    chosen: dict[str, Any] = {}
    disputed = set()
    for stage in stages.values():
        disputed |= {name for name, value in params_of(stage).items() if chosen.setdefault(name, value) != value}
    content = params({name: value for name, value in chosen.items() if name not in disputed})
    for training, measured in scores.items():
        mean = measured.get("mean", {}).get("filmed", {})
        for source, figures in [*measured.get("filmed", {}).items(), ("mean", mean)]:
            plain = {measure: value for measure, value in figures.items() if measure not in ("clips", "seeds")}
            content |= metrics(numbers(plain, f"{key(stages[training])}.{source}."))
    return _finished(name, PIPELINE, {PIPELINE: name}, content)


def _inputs(digests: dict[str, str]) -> Content:
    return {("data", path): digest for path, digest in digests.items()}


def _finished(
    name: str, stage: str, identity: dict[str, Any], content: Content, training: str = "", checkpoint: str = ""
) -> Description:
    fingerprint = hashlib.sha256(compact_json(identity).encode()).hexdigest()
    return Description(name, stage, fingerprint, content | {("status",): "FINISHED"}, training, checkpoint)
