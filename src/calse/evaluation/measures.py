"""Measures of recognition: plain functions, no torch."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from calse.recognition.inference import best_first


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
