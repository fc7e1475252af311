"""Measures of recognition: plain functions, no torch."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np


def best_first(scores: np.ndarray) -> np.ndarray:
    """Order classes from the highest of scores K to the lowest; ties by index."""
    return np.argsort(-scores, kind="stable")


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
    """Return the number of predictions (rows with `gloss` and `rank`) and top-K per instance and per class."""
    ranks, glosses = [row["rank"] for row in rows], [row["gloss"] for row in rows]
    result: dict[str, float] = {"clips": len(rows)}
    for k in topk:
        result[f"top{k}"] = round(top_k(ranks, k), 6)
        result[f"top{k}_per_class"] = round(top_k_per_class(ranks, glosses, k), 6)
    return result


def confusion(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count how often each gloss was answered by which: `gloss`, `answered`, `clips`, for pairs that occur.

    Takes predictions with `gloss` and `gloss_1`, the best answer.
    """
    counts = Counter((row["gloss"], row["gloss_1"]) for row in rows)
    return [{"gloss": gloss, "answered": best, "clips": count} for (gloss, best), count in sorted(counts.items())]


def class_prior_loss(loss: str, classes: int) -> float:
    """Return the loss of always answering with the frequency of each class: ln K for `ce`, H(1/K) for BCE, in nats."""
    if loss == "ce":
        return math.log(classes)
    share = 1 / classes
    return -share * math.log(share) - (1 - share) * math.log1p(-share) if classes > 1 else 0.0


def plateau_warning(loss: str, value: float, classes: int) -> str | None:
    """Return a warning when a training loss is no better than guessing by class frequency, else None."""
    guessing = class_prior_loss(loss, classes)
    if value < 0.97 * guessing:
        return None
    return (
        f"loss {value:.4f} is no better than guessing ({guessing:.4f} for {classes} glosses): nothing is learned yet; "
        "give it more epochs, another train.lr or train.input, or a pretrained checkpoint"
    )
