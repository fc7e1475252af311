"""Which glosses are hard, and what they are taken for."""

from typing import Any

import pandas as pd

from calse.data.clips import Clip
from calse.report.page.pictures import Pictures

HARDEST = 6


def glosses(
    predictions: pd.DataFrame, confused: pd.DataFrame, clips: dict[str, Clip], pictures: Pictures
) -> dict[str, Any]:
    """Return the confusion matrix over all trainings and the hardest glosses with pictures.

    `predictions` has a row a prediction: recipe, test_source, test_set, clip, gloss, rank and the glosses `gloss_1`...
    `confused` says how many clips of a gloss a recipe took for which: gloss, predicted, clips.
    """
    filmed = predictions[predictions["test_set"] == "filmed"]
    counts = counts_of(confused)
    right = {gloss: found.get(gloss, 0) / sum(found.values()) for gloss, found in counts.items()}
    hardest = sorted((gloss for gloss in counts if right[gloss] < 1), key=lambda gloss: (right[gloss], gloss))
    return {
        "matrix": confusion_matrix(counts),
        "hardest": [_hard(gloss, counts[gloss], filmed, clips, pictures) for gloss in hardest[:HARDEST]],
        "predictions": len(filmed),
    }


def counts_of(confused: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return for every gloss how many of its clips all recipes together took for which."""
    counts: dict[str, dict[str, int]] = {}
    pairs: Any = confused.groupby(["gloss", "predicted"])["clips"].sum()
    for (gloss, found), clips in pairs.items():
        counts.setdefault(gloss, {})[found] = int(clips)
    return counts


def confusion_matrix(counts: dict[str, dict[str, int]]) -> dict[str, Any]:
    """Return the glosses and every pair that occurred: places, count, share of the gloss's predictions."""
    names = sorted({*counts, *(name for found in counts.values() for name in found)})
    place = {name: number for number, name in enumerate(names)}
    cells = [
        {"row": place[gloss], "column": place[name], "count": clips, "share": round(clips / sum(found.values()), 3)}
        for gloss, found in counts.items()
        for name, clips in found.items()
    ]
    return {"names": names, "cells": cells}


def _hard(
    gloss: str, found: dict[str, int], filmed: pd.DataFrame, clips: dict[str, Clip], pictures: Pictures
) -> dict[str, Any]:
    """Say what a gloss is most often taken for, and show where that happened most."""
    wrong = max((name for name in found if name != gloss), key=lambda name: found[name])
    instead = filmed[(filmed["gloss"] == gloss) & (filmed["gloss_1"] == wrong)]
    signed = clips.get(str(instead["clip"].mode()[0]))
    other = _other(wrong, signed, clips) if signed else None
    return {
        "gloss": gloss,
        "right": found.get(gloss, 0),
        "predictions": sum(found.values()),
        "wrong": wrong,
        "times": found[wrong],
        "signed": signed,
        "other": other,
        "signed_picture": pictures.strip(signed) if signed else None,
        "other_picture": pictures.strip(other) if other else None,
    }


def _other(gloss: str, signed: Clip, clips: dict[str, Clip]) -> Clip | None:
    """Return a clip of the wrong gloss, of the same signer where there is one."""
    found = [clip for clip in clips.values() if clip.gloss == gloss]
    return min(
        found, key=lambda clip: (clip.source != signed.source, clip.signer != signed.signer, clip.clip), default=None
    )
