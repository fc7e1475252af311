"""Measures of recognition: plain functions, no torch.

Top-K is the study's own, with intervals in its table. Every other measure is a function marked with `@measure`; the
results show it under the function's name.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from calse.recognition.inference import best_first
from calse.runtime.errors import CalseError


@dataclass(frozen=True)
class Predictions:
    """Some predictions, N of each: the right gloss, the gloss that was ranked first, the right gloss's rank from 1."""

    labels: np.ndarray
    predicted: np.ndarray
    ranks: np.ndarray


Measure = Callable[[Predictions], float]
MEASURES: dict[str, Measure] = {}
TAKEN = re.compile(r"clips|seeds|steps|mean|top\d+(_per_class)?")  # what metrics.json has beside the measures


def measure(function: Measure) -> Measure:
    """Count a function of predictions among the results, under its name.

    Raises CalseError when another result has that name.
    """
    name = function.__name__
    if name in MEASURES or TAKEN.fullmatch(name):
        raise CalseError(f"evaluation/measures.py: another result is called {name}; call this measure something else")
    MEASURES[name] = function
    return function


@measure
def mrr(predictions: Predictions) -> float:
    """Return the mean reciprocal rank of the right gloss."""
    return float(np.mean(1 / predictions.ranks))


@measure
def recall_at_10(predictions: Predictions) -> float:
    """Return the share of clips whose gloss is among the ten best, whatever `evaluate.topk` counts."""
    return float(np.mean(predictions.ranks <= 10))


def rank_of(label: int, scores: np.ndarray) -> int:
    """Return the place of a class among scores K, 1 for the best."""
    return int(np.flatnonzero(best_first(scores) == label)[0]) + 1


def top_k(ranks: Sequence[int], k: int) -> float:
    """Return the share of clips whose truth is among the k best: accuracy per instance."""
    return float(np.mean(np.asarray(ranks) <= k))


def top_k_per_class(ranks: Sequence[int], labels: Sequence[str], k: int) -> float:
    """Return top-k averaged over the classes that have clips, each class counting alike."""
    _, places, clips = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    return float(np.mean(np.bincount(places, np.asarray(ranks) <= k) / clips))


def summary(rows: list[dict[str, Any]], topk: Sequence[int]) -> dict[str, float]:
    """Return the number of predictions (rows with `gloss`, `gloss_1` and `rank`), top-K per instance and per class, and
    every measure by name. Raises CalseError naming a measure that gives no finite number.
    """
    ranks, glosses = [row["rank"] for row in rows], [row["gloss"] for row in rows]
    result: dict[str, float] = {"clips": len(rows)}
    for k in topk:
        result[f"top{k}"] = round(top_k(ranks, k), 6)
        result[f"top{k}_per_class"] = round(top_k_per_class(ranks, glosses, k), 6)
    predictions = Predictions(np.array(glosses), np.array([row["gloss_1"] for row in rows]), np.array(ranks))
    for name, function in MEASURES.items():
        value: Any = function(predictions)  # typed, but whoever adds one may return anything
        if not isinstance(value, Real) or not math.isfinite(value):
            raise CalseError(f"evaluation/measures.py: {name} gives {value}, not a finite number")
        result[name] = round(float(value), 6)
    return result


def mean_of(summaries: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the plain mean of each measure over the test sources."""
    measures = [name for name in summaries[0] if name not in ("clips", "seeds")]
    # fsum, for sum() of floats is not the same in every version of Python
    return {name: round(math.fsum(one[name] for one in summaries) / len(summaries), 6) for name in measures}


def confusion(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count how often each gloss was taken for which: `gloss`, `predicted`, `clips`, for pairs that occur.

    Takes predictions with `gloss` and `gloss_1`, the gloss ranked first.
    """
    counts = Counter((row["gloss"], row["gloss_1"]) for row in rows)
    return [{"gloss": gloss, "predicted": best, "clips": count} for (gloss, best), count in sorted(counts.items())]
