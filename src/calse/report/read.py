"""What the stages before the report measured, as tables."""

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calse.config.params import Params
from calse.data.clips import Clip
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError

CURVE = ["recipe", "test_source", "seed", "epoch", "loss", "accuracy"]


def read_predictions(layout: Layout, recogniser: str, recipe: str) -> pd.DataFrame:
    """Read a recipe's predictions, with the recipe as a column. Raises CalseError when there are none."""
    path = _evaluated(layout, recogniser, recipe, "predictions.csv")
    # All is text but the ranks: a source named 1, or the glosses 1 to 9, must not become numbers.
    table = pd.read_csv(path, keep_default_na=False, dtype=str)
    return table.astype({"seed": int, "rank": int}).assign(recipe=recipe)


def _evaluated(layout: Layout, recogniser: str, recipe: str, name: str) -> Path:
    """Return a file of the stage evaluate. Raises CalseError when it is missing."""
    path = layout.metrics("evaluate") / recogniser / recipe / name
    if not path.is_file():
        raise CalseError(f"{path} is missing; run: dvc repro evaluate@{recogniser}-{recipe}")
    return path


@dataclass(frozen=True)
class Scored:
    """The filmed test clips of a recipe: their `rows` of predictions, and the scores N x K of all `classes`."""

    rows: pd.DataFrame
    scores: np.ndarray
    classes: list[str]


def read_scored(layout: Layout, recogniser: str, recipe: str) -> Scored:
    """Read the scores of the filmed test clips. Raises CalseError when they are missing or of other predictions."""
    rows = read_predictions(layout, recogniser, recipe).query("test_set == 'filmed'").reset_index(drop=True)
    path = _evaluated(layout, recogniser, recipe, "scores.csv")
    scores = pd.read_csv(path, keep_default_na=False)
    if len(scores) != len(rows):
        raise CalseError(f"{path} has not the clips of predictions.csv; run: dvc repro evaluate@{recogniser}-{recipe}")
    return Scored(rows, scores.to_numpy(float), list(scores.columns))


def read_confusion(layout: Layout, recogniser: str, recipe: str) -> pd.DataFrame:
    """Read how often each gloss was taken for which. Raises CalseError when it was not counted."""
    path = _evaluated(layout, recogniser, recipe, "confusion.csv")
    return pd.read_csv(path, keep_default_na=False, dtype=str).astype({"clips": int}).assign(recipe=recipe)


def read_scores(layout: Layout, recogniser: str, recipe: str) -> dict[str, Any]:
    """Read a recipe's measures. Raises CalseError when they lack the means or the steps of its trainings."""
    path = _evaluated(layout, recogniser, recipe, "metrics.json")
    scores: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if lacking := {"mean", "steps"} - scores.keys():
        raise CalseError(f"{path} lacks {', '.join(sorted(lacking))}; run: dvc repro evaluate@{recogniser}-{recipe}")
    return scores


def steps_of(scores: dict[str, dict[str, Any]]) -> dict[tuple[str, str], int]:
    """Return the optimiser steps of a training, by recipe and test source."""
    return {(recipe, source): count for recipe, one in scores.items() for source, count in one["steps"].items()}


def read_curves(params: Params, layout: Layout, recogniser: str) -> pd.DataFrame:
    """Return a row an epoch of every training of a recogniser that has a curve: CURVE."""
    found = []
    for recipe, source in product(params.recipes, params.test_sources):
        for seed in params.seeds_of(recogniser, recipe):
            path = layout.metrics("train") / recogniser / recipe / f"{source}-seed-{seed}.csv"
            if path.is_file():
                found.append(pd.read_csv(path).assign(recipe=recipe, test_source=source, seed=seed)[CURVE])
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=CURVE)


def read_figures(layout: Layout, stage: str, name: str) -> dict[str, Any]:
    """Return what a stage measured of a source or a set, empty where it has not run."""
    path = layout.metrics(stage) / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def read_manifests(paths: dict[str, Path]) -> dict[str, list[Clip]]:
    """Read the manifests that are there, by name."""
    return {name: read_manifest(path) for name, path in paths.items() if path.is_file()}
