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

    `predictions` has a row a prediction: recipe, test_source, test_set, clip, gloss, rank and the answers `gloss_1`...
    `confused` says how many clips of a gloss a recipe took for which: gloss, answered, clips.
    """
    filmed = predictions[predictions["test_set"] == "filmed"]
    hardest = [_hard(rows, clips, pictures) for rows in _ordered(filmed)[:HARDEST]]
    return {"matrix": confusion_matrix(confused), "hardest": hardest, "answers": len(filmed)}


def confusion_matrix(confused: pd.DataFrame) -> dict[str, Any]:
    """Return the glosses and every pair that occurred in any recipe: places, count, share of the gloss's answers."""
    names = sorted({*confused["gloss"], *confused["answered"]})
    place = {name: number for number, name in enumerate(names)}
    counts: dict[Any, int] = confused.groupby(["gloss", "answered"])["clips"].sum().to_dict()
    asked = confused.groupby("gloss")["clips"].sum()
    cells = [
        {"row": place[gloss], "column": place[answer], "count": count, "share": round(count / asked[gloss], 3)}
        for (gloss, answer), count in counts.items()
    ]
    return {"names": names, "cells": cells}


def _ordered(filmed: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the answers of every gloss that was ever missed, most missed first."""
    groups = [(float((rows["rank"] == 1).mean()), gloss, rows) for gloss, rows in filmed.groupby("gloss")]
    return [rows for right, _, rows in sorted(groups, key=lambda group: group[:2]) if right < 1]


def _hard(rows: pd.DataFrame, clips: dict[str, Clip], pictures: Pictures) -> dict[str, Any]:
    """Say what a gloss is most often taken for, and show where that happened most."""
    missed = rows[rows["rank"] > 1]
    wrong = str(missed["gloss_1"].mode()[0])
    instead = missed[missed["gloss_1"] == wrong]
    asked = clips.get(str(instead["clip"].mode()[0]))
    other = _other(wrong, asked, clips) if asked else None
    return {
        "gloss": rows["gloss"].iloc[0],
        "right": int((rows["rank"] == 1).sum()),
        "answers": len(rows),
        "wrong": wrong,
        "times": len(instead),
        "asked": asked,
        "other": other,
        "asked_picture": pictures.strip(asked) if asked else None,
        "other_picture": pictures.strip(other) if other else None,
    }


def _other(gloss: str, asked: Clip, clips: dict[str, Clip]) -> Clip | None:
    """Return a clip of the wrong gloss, of the same signer where there is one."""
    found = [clip for clip in clips.values() if clip.gloss == gloss]
    return min(
        found, key=lambda clip: (clip.source != asked.source, clip.signer != asked.signer, clip.clip), default=None
    )
