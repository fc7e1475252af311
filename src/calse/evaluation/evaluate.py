"""The evaluate stage: every checkpoint of a recogniser on a recipe reads its test source, once."""

from pathlib import Path
from typing import Any

import numpy as np

from calse.config.params import Params
from calse.data.clips import Clip
from calse.data.manifests import read_manifest, write_rows
from calse.data.paths import Layout
from calse.data.splits import VALIDATION, Split, read_split
from calse.evaluation.measures import confusion, mean_of, rank_of, summary
from calse.recognition.inference import BEST, best_first
from calse.recognition.launch.observer import Run
from calse.recognition.registry import find_recogniser
from calse.recognition.training.jobs import checkpoint_path, runs_of
from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_folder, sha256_of, write_json

FILMED, OMITTED = "filmed", "omitted"
COLUMNS = ["test_source", "seed", "test_set", "clip", "gloss", "rank"] + [
    f"{what}_{place}" for place in range(1, BEST + 1) for what in ("gloss", "probability")
]


def evaluate(params: Params, layout: Layout, recogniser: str, recipe: str) -> None:
    """Score every run of a recogniser on a recipe on its held-out clips; write metrics/evaluate/<recogniser>/<recipe>.

    `predictions.csv` has a row a clip and seed: the rank of the right gloss and the ten best glosses. Its
    `test_set` is `filmed`, `omitted` for the same clips with the face blurred (params.omit), or `validation` for those
    of params.validation_source. `metrics.json`
    has every measure of each test source and set, over all seeds and for each, their mean over the sources, and the
    steps of a source's trainings; `confusion.csv` which gloss was taken for which, on the filmed clips of all sources;
    `scores.csv` every gloss's score of the filmed clips, a column a gloss, rows in the order of predictions.csv.
    Raises CalseError naming the checkpoint or clip that is wrong.
    """
    split = read_split(layout.split(recipe))
    predictions: list[dict[str, Any]] = []
    scores: list[np.ndarray] = []
    steps: dict[str, int] = {}
    models = layout.models(recogniser, recipe)
    for run in runs_of(params, recogniser, recipe):
        tests = {FILMED: split.test(run.test_source)}
        if run.test_source in params.omit:
            tests[OMITTED] = read_manifest(layout.omitted_manifest(run.test_source))
        if split.validated:
            tests[VALIDATION] = split.validated
        info, rows, found = predict_run(run, split, tests, layout, checkpoint_path(models, run))
        predictions += rows
        scores += found[FILMED]
        steps[run.test_source] = info["steps"]
    with atomic_folder(layout.metrics("evaluate") / recogniser / recipe) as folder:
        write_rows(folder / "predictions.csv", COLUMNS, predictions)
        named = (dict(zip(split.classes, map("{:.6g}".format, one), strict=True)) for one in scores)
        write_rows(folder / "scores.csv", split.classes, named)
        filmed = [row for row in predictions if row["test_set"] == FILMED]
        write_rows(folder / "confusion.csv", ["gloss", "predicted", "clips"], confusion(filmed))
        measured = per_source(predictions, params.evaluate.topk)
        mean = {test_set: mean_of(list(sources.values())) for test_set, sources in measured.items()}
        write_json(folder / "metrics.json", measured | {"mean": mean, "steps": steps})


def per_source(predictions: list[dict[str, Any]], topk: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    """Return the measures of each test set and source, over all its predictions and seed by seed."""
    result: dict[str, dict[str, Any]] = {}
    for row in predictions:
        tests = result.setdefault(row["test_set"], {})
        tests.setdefault(row["test_source"], {}).setdefault(str(row["seed"]), []).append(row)
    for tests in result.values():
        for source, seeds in tests.items():
            every = [row for rows in seeds.values() for row in rows]
            by_seed = {seed: summary(rows, topk) for seed, rows in seeds.items()}
            tests[source] = summary(every, topk) | {"seeds": by_seed}
    return result


def predict_run(
    run: Run, split: Split, tests: dict[str, list[Clip]], layout: Layout, path: Path
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, list[np.ndarray]]]:
    """Load a checkpoint; return what its JSON says, a row for each clip of the test sets, and by set their scores K."""
    from calse.recognition.checkpoint import read_info, settings_of

    info, recogniser = read_info(path), find_recogniser(run.recogniser)
    score, settings = recogniser.scorer(path), settings_of(info)
    if info["split_sha256"] != sha256_of(split.path):
        raise CalseError(f"{path} was trained on another {split.path}; rerun the train stage")
    rows: list[dict[str, Any]] = []
    scores: dict[str, list[np.ndarray]] = {test_set: [] for test_set in tests}
    for test_set, clips in tests.items():
        inputs = map(recogniser.load, recogniser.prepare(clips, layout, settings))
        head = {"test_source": run.test_source, "seed": run.seed, "test_set": test_set}
        for clip, (found, probabilities) in zip(clips, score(inputs), strict=True):
            rows.append(head | prediction_row(clip, found, probabilities, info["classes"]))
            scores[test_set].append(found)
    return info, rows, scores


def prediction_row(clip: Clip, scores: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Return a clip's row: truth, its rank, and the best glosses with their probabilities."""
    row = {"clip": clip.clip, "gloss": clip.gloss, "rank": rank_of(classes.index(clip.gloss), scores)}
    for place, index in enumerate(best_first(scores)[:BEST], start=1):
        row |= {f"gloss_{place}": classes[index], f"probability_{place}": f"{probabilities[index]:.6f}"}
    return row
