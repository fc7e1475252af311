"""What MLflow shall hold: a record for each stage that DVC knows, from dvc.lock and the files it vouches for."""

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from calse.data.clips import compact_json
from calse.tracking.lock import Stage, as_text, flat, read_lock
from calse.tracking.trees import Tree, md5_of, parsed

FINGERPRINT, KIND = "calse.fingerprint", "calse.kind"
PIPELINE = "pipeline"
KINDS = {"ingest": "source", "augment": "set", "swap": "set", "omit": "test set", "swap-train": "swap model"}
TEST_SETS = ("filmed", "omitted")
POINTS = 200
Facts = dict[tuple[str | int, ...], Any]
"""("param" | "metric" | "tag" | "input", name[, step]) -> value: all that can differ between a record and its run."""


@dataclass(frozen=True)
class Record:
    """One MLflow run as it should be."""

    fingerprint: str
    name: str
    facts: Facts


@dataclass(frozen=True)
class Study:
    """All records of one state of the repository, the pipeline's own last. `corpus` names the MLflow experiment."""

    corpus: str
    records: list[Record]


def study_of(tree: Tree, pipeline: str) -> Study | None:
    """Return the records of the working tree or of a DVC experiment; None before anything was ingested.

    A stage whose small files are not those that dvc.lock lists (deleted, edited, half-way through a rerun) has no
    record. Raises CalseError when dvc.lock is damaged.
    """
    stages = read_lock(tree)
    corpus = next((stage.params["corpus.name"] for stage in stages.values() if "corpus.name" in stage.params), None)
    if corpus is None:
        return None
    found = [record for stage in stages.values() for record in _records_of(tree, stages, stage)]
    return Study(corpus, [*found, _pipeline(tree, stages, pipeline)])


def _records_of(tree: Tree, stages: dict[str, Stage], stage: Stage) -> Iterator[Record]:
    if stage.command == "train":
        yield from _trainings(tree, stages, stage)
    elif stage.command in KINDS and (figures := _figures(tree, stage)) is not None:
        identity = {"stage": stage.name, "params": stage.params, "deps": stage.deps}
        own = {key.replace(f".{stage.item}.", "."): value for key, value in stage.params.items()}
        outs = {f"calse.out.{path}": md5 for path, md5 in stage.outs.items()}
        facts = params(own) | figures | inputs(stage.data) | tags(outs)
        name = f"OMIT-{stage.item}" if stage.command == "omit" else stage.item
        yield record(KINDS[stage.command], identity, name, facts)


def _figures(tree: Tree, stage: Stage) -> Facts | None:
    """Return what a stage measured, as figures or as a curve; of a set that nothing measured, its number of clips.

    None when that file is not the one of dvc.lock.
    """
    path = stage.out("metrics/") or stage.out("data/manifests/")
    if path is None or md5_of(tree, path) != stage.outs[path]:
        return None
    content = (tree.read(path) or b"").decode()
    if path.endswith(".json"):
        return metrics(numbers_of(json.loads(content)))
    if path.startswith("metrics/"):
        return curve(content, POINTS)
    return metrics([("clips", sum(1 for _ in csv.DictReader(io.StringIO(content))))])


def _trainings(tree: Tree, stages: dict[str, Stage], stage: Stage) -> Iterator[Record]:
    curves, weights = stage.out("metrics/train/"), stage.out("models/")
    split = next((dep for dep in stage.data if dep.startswith("data/splits/")), None)
    if curves is None or weights is None or split is None or md5_of(tree, curves) != stage.outs.get(curves):
        return
    scores = _scores(tree, stages, stage.item)
    for path in tree.files(weights):
        if not path.endswith(".json"):
            continue
        info = parsed(tree.read(path) or b"{}", path)
        source, seed = info["test_source"], info["seed"]
        points = curve((tree.read(f"{curves}/{source}-seed-{seed}.csv") or b"").decode())  # all that was logged live
        facts = training_facts(info, split, stage.deps[split]) | points
        for test_set in TEST_SETS:
            prefix = "test." if test_set == "filmed" else f"test.{test_set}."
            seeds = scores.get(test_set, {}).get(source, {}).get("seeds", {})
            facts |= metrics(numbers_of(seeds.get(str(seed), {}), prefix))
        yield training_record(info, stage.code, facts)


def training_record(info: dict[str, Any], code: dict[str, str], facts: Facts) -> Record:
    """Return a training's record; its fingerprint changes with all that its checkpoint names and with the code."""
    name = f"{info['recogniser']}-{info['recipe']}-{info['test_source']}-{info['seed']}"
    return record("training", {"training": info["fingerprint"], "code": code}, name, facts)


def training_facts(info: dict[str, Any], split: str, split_md5: str) -> Facts:
    """Return what is known of a training when it starts: all plain values of its checkpoint's JSON, and its split."""
    chosen = flat({}, info["params"], f"train.{info['recogniser']}.")
    plain = {
        key: value for key, value in info.items() if not isinstance(value, (dict, list)) and value not in ("", None)
    }
    plain.pop("fingerprint")
    names = {f"calse.{key}": info[key] for key in ("recogniser", "recipe", "test_source")}
    return params(chosen | plain) | inputs({split: split_md5}) | tags(names)


def _scores(tree: Tree, stages: dict[str, Stage], item: str) -> dict[str, Any]:
    """Return the metrics of `evaluate`, or nothing when it read other checkpoints than those that `train` made."""
    evaluate, train = stages.get(f"evaluate@{item}"), stages.get(f"train@{item}")
    if (
        evaluate is None
        or train is None
        or any(train.outs.get(path, md5) != md5 for path, md5 in evaluate.deps.items())
    ):
        return {}
    path = evaluate.out("metrics/", ".json")
    if path is None or md5_of(tree, path) != evaluate.outs[path]:
        return {}
    scores: dict[str, Any] = json.loads(tree.read(path) or b"{}")
    return scores


def _pipeline(tree: Tree, stages: dict[str, Stage], name: str) -> Record:
    """Return the parent of a state's runs: every parameter on which its stages agree, and every recipe's measures."""
    chosen: dict[str, Any] = {}
    disputed = set()
    for stage in stages.values():
        for key, value in stage.params.items() if stage.command != "report" else ():
            if chosen.setdefault(key, value) != value:
                disputed.add(key)
    facts = params({key: value for key, value in chosen.items() if key not in disputed})
    for stage in stages.values():
        if stage.command == "train":
            facts |= metrics(_measures(stage.item, _scores(tree, stages, stage.item)))
    return record(PIPELINE, {PIPELINE: name}, name, facts)


def _measures(recipe: str, scores: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield every measure of a recipe for each test source, and its mean over them."""
    mean = scores.get("mean", {}).get("filmed", {})
    for source, figures in [*scores.get("filmed", {}).items(), ("mean", mean)]:
        numbers = {name: value for name, value in figures.items() if name not in ("clips", "seeds")}
        yield from numbers_of(numbers, f"{recipe}.{source}.")


def record(kind: str, identity: dict[str, Any], name: str, facts: Facts) -> Record:
    """Return a record whose fingerprint is the hash of `identity`."""
    fingerprint = hashlib.sha256(compact_json(identity).encode()).hexdigest()
    facts = facts | tags({FINGERPRINT: fingerprint, KIND: kind, "mlflow.runName": name})
    return Record(fingerprint, name, facts | {("status",): "FINISHED"})


def params(values: dict[str, Any]) -> Facts:
    """Return parameters as facts, nested ones under dotted names."""
    return {("param", key): as_text(value) for key, value in flat({}, values).items()}


def tags(values: dict[str, str]) -> Facts:
    """Return tags as facts."""
    return {("tag", key): value for key, value in values.items()}


def inputs(files: dict[str, str]) -> Facts:
    """Return data sets, path and digest, as facts."""
    return {("input", path): md5 for path, md5 in files.items()}


def metrics(values: Iterable[tuple[str, float]], step: int = 0) -> Facts:
    """Return the finite numbers among some figures as facts."""
    return {("metric", key, step): float(value) for key, value in values if math.isfinite(value)}


def curve(text: str, points: float = math.inf) -> Facts:
    """Return a CSV's columns over its first one as facts, thinned to about so many points."""
    rows = list(csv.DictReader(io.StringIO(text)))
    stride = math.ceil(len(rows) / points) or 1
    facts: Facts = {}
    for number, row in enumerate(rows, start=1):
        if number % stride == 0 or number in (1, len(rows)):
            step, *values = row.items()
            facts |= metrics(((key, float(value)) for key, value in values if value), int(step[1]))
    return facts


def numbers_of(figures: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of nested figures under dotted names; verdicts as 0 and 1."""
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from numbers_of(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float)):
            yield f"{prefix}{key}", float(value)
