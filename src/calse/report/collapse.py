"""Trainings that ended where guessing would have: their recipe's accuracy says nothing of the recipe."""

from pathlib import Path
from typing import Any

import pandas as pd

from calse.data.splits import read_split
from calse.recognition.training.plateau import collapse_warning


def collapsed(curves: pd.DataFrame, splits: dict[str, Path]) -> list[str]:
    """Return a sentence for every training whose last epoch's accuracy is within chance on its own clips.

    `curves` has a row an epoch: recipe, test_source, seed, accuracy; `splits` the recipes' splits, as far as they are
    there.
    """
    found = []
    trainings: list[Any] = list(curves.groupby(["recipe", "test_source", "seed"], sort=False)["accuracy"])
    for (recipe, source, seed), accuracy in trainings:
        if recipe in splits:
            split = read_split(splits[recipe])
            warning = collapse_warning(accuracy.iloc[-1], len(split.train(source)), len(split.classes))
            found += [f"{recipe} without {source}, seed {seed}, {warning}"] if warning else []
    return found
