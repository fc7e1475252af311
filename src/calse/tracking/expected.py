"""Runs as MLflow should hold them, read from dvc.lock and the files that it vouches for."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calse.config.params import flat
from calse.data.clips import compact_json
from calse.recognition.training.plateau import collapse_warning
from calse.runtime.errors import CalseError
from calse.tracking.content import STATUS, Content, curve, metrics, params
from calse.tracking.dvc_index import (
    corpus_of,
    digests_of,
    is_recorded,
    item_of,
    name_of,
    params_of,
    recorded_text,
    stages_of,
    texts_below,
)

if TYPE_CHECKING:
    from dvc.repo import Repo  # type: ignore[import-untyped]
    from dvc.stage import PipelineStage  # type: ignore[import-untyped]

PIPELINE, TRAIN = "pipeline", "train"
POINTS = 200  # of a curve that nothing logged live: more than a picture shows


@dataclass(frozen=True)
class Expected:
    """A run as it should be; `key` tells it from runs of other parameters, data or code.

    A training's has its checkpoint, and in `training` what that says of itself: a run that was logged live has it too.
    """

    name: str
    stage: str
    key: str
    content: Content
    training: str = ""
    checkpoint: str = ""


def expected_runs(repo: "Repo", pipeline: str) -> tuple[str, list[Expected]]:
    """Return the name of the corpus and all runs of one state of the repository, the pipeline's own last."""
    stages = stages_of(repo)
    corpus = corpus_of(stages)
    if not corpus:
        return "", []
    models = {out.def_path: stage for stage in stages.values() if name_of(stage) == TRAIN for out in stage.outs}
    scores: dict[str, dict[str, Any]] = {}
    found = []
    for stage in stages.values():
        data, _ = digests_of(stage)
        measured = {path: models[path] for path in data if path in models}
        for path, training in measured.items():  # trainings show its figures, unless they are newer
            if any(out.def_path == path and out.hash_info.value == data[path] for out in training.outs):
                scores[training.name] = _scores(stage)
        if not measured and name_of(stage) != TRAIN and (figures := _figures(stage)):
            found.append(_of_stage(stage, figures))
    for stage in {stage.name: stage for stage in models.values()}.values():
        found += _of_trainings(repo, stage, scores.get(stage.name, {}))
    return corpus, [*found, _of_pipeline(stages, scores, pipeline)]


def _scores(stage: "PipelineStage") -> dict[str, Any]:
    """Return an evaluation's measures by test set, test source and seed."""
    for out in stage.outs:
        if out.def_path.endswith(".json") and (text := recorded_text(out)):
            return dict(parsed(text, out.def_path))
    return {}


def _figures(stage: "PipelineStage") -> Content:
    """Return what a stage measured, as numbers or as a curve; of one that measures nothing, its number of clips."""
    for folder in ("metrics/", "data/manifests/"):
        for out in stage.outs:
            path = out.def_path
            if path.startswith(folder) and path.endswith((".json", ".csv")) and (text := recorded_text(out)):
                if path.endswith(".json"):
                    return metrics(flat(parsed(text, path)))
                return curve(text, POINTS) if out.is_plot else metrics([("clips", text.count("\n") - 1)])
    return {}


def _of_stage(stage: "PipelineStage", figures: Content) -> Expected:
    """Return the run of a stage that trains nothing: its parameters, inputs and figures."""
    data, code = digests_of(stage)
    identity = {"stage": stage.name, "params": params_of(stage), "deps": data | code}
    own = {name.replace(f".{item_of(stage)}.", "."): value for name, value in params_of(stage).items()}
    return _finished(stage.name, name_of(stage), identity, params(own) | _inputs(data) | figures)


def _of_trainings(repo: "Repo", stage: "PipelineStage", scores: dict[str, Any]) -> Iterator[Expected]:
    """Yield a run for each checkpoint of a training stage, whose JSON says what it is."""
    outs = {out.def_path.partition("/")[0]: out for out in stage.outs}
    curves = outs.get("metrics")
    if "models" not in outs or (curves and not is_recorded(curves)):
        return
    data, code = digests_of(stage)
    drawn = texts_below(repo, curves) if curves else {}
    for path, text in texts_below(repo, outs["models"]).items():
        info = parsed(text, path)
        source, seed = info["test_source"], info["seed"]
        content = of_training(info) | _inputs(data)
        if curves and (points := drawn.get(f"{curves.def_path}/{source}-seed-{seed}.csv")):
            drawn_curve = curve(points)  # every point: that is what was logged live
            content |= drawn_curve | of_collapse(info, drawn_curve.get(("metric", "accuracy", info["epochs"])))
        for test_set in scores.get("mean", {}):
            measured = scores[test_set].get(source, {}).get("seeds", {}).get(str(seed), {})
            content |= metrics(flat(measured, "test." if test_set == "filmed" else f"test.{test_set}."))
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


def of_collapse(info: dict[str, Any], accuracy: float | None) -> Content:
    """Return the parameter `warning` of a training that ended with an accuracy that guessing reaches, else nothing."""
    warning = None if accuracy is None else collapse_warning(accuracy, info["clips"], len(info["classes"]))
    return {("param", "warning", 0): warning} if warning else {}


def parsed(text: str, path: str) -> Any:
    """Return what a JSON file holds. Raises CalseError naming it when it is damaged."""
    try:
        return json.loads(text)
    except ValueError:
        raise CalseError(f"{path} is damaged; remove it, then: dvc checkout, or dvc repro") from None


def _of_pipeline(stages: "dict[str, PipelineStage]", scores: dict[str, Any], name: str) -> Expected:
    """Return the parent of a state's runs: every parameter on which its stages agree, and every mean measure."""
    values: dict[Any, set[str]] = {}
    for stage in stages.values():
        for param, value in params(params_of(stage)).items():
            values.setdefault(param, set()).add(value)
    content: Content = {param: value for param, (value, *others) in values.items() if not others}
    for training, measured in scores.items():
        mean = measured.get("mean", {}).get("filmed", {})
        for source, figures in (measured.get("filmed", {}) | {"mean": mean}).items():
            plain = {measure: value for measure, value in figures.items() if measure not in ("clips", "seeds")}
            content |= metrics(flat(plain, f"{item_of(stages[training])}.{source}."))
    return _finished(name, PIPELINE, {PIPELINE: name}, content)


def _inputs(digests: dict[str, str]) -> Content:
    """Return digests of data by path as content of a run."""
    return {("data", path, 0): digest for path, digest in digests.items()}


def _finished(
    name: str, stage: str, identity: dict[str, Any], content: Content, training: str = "", checkpoint: str = ""
) -> Expected:
    """Return a finished run; `identity` is all that tells it from others, and gives its key."""
    key = hashlib.sha256(compact_json(identity).encode()).hexdigest()
    return Expected(name, stage, key, content | {STATUS: "FINISHED"}, training, checkpoint)
