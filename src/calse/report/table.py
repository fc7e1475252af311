"""The study's table: accuracy of every recipe against every test source, and what changed against the baseline."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from calse.report import statistics
from calse.report.statistics import Cell, Hits, accuracy
from calse.report.variance import MIN_TRAININGS, change_p
from calse.runtime.errors import CalseError

BASELINE = "Baseline"
MEAN = "mean"
OMITTED = "mean, face blurred"
VALIDATION = "validation"
SIGNIFICANT = 0.05
BETTER, WORSE, UNDECIDED = "better", "worse", "not distinguishable"
RECIPES, TRAININGS = "recipes", "trainings"
Cells = dict[tuple[str, str, int], Cell]


def counted_cells(predictions: pd.DataFrame, topk: Sequence[int]) -> Cells:
    """Count top-K hits by recipe, column of the table and k, in the order of the table; the smallest k comes first.

    `predictions` has a row a prediction: recipe, test_source, test_set, seed, clip, gloss and `rank`, the 1-based
    place of the right gloss. The column `mean` holds all sources of a recipe; `mean, face blurred` the same over the
    clips whose `test_set` is `omitted`, `validation` over those that the same trainings were validated on.
    """
    glosses, topk = sorted(predictions["gloss"].unique()), sorted(topk)
    columns = {"filmed": MEAN, "omitted": OMITTED, "validation": VALIDATION}
    parts_of = {mean: predictions[predictions["test_set"] == name] for name, mean in columns.items()}
    cells: Cells = {}
    for recipe in predictions["recipe"].unique():
        for mean, rows in parts_of.items():
            sources = list(rows[rows["recipe"] == recipe].groupby("test_source", sort=False))
            for k in topk if sources else ():
                parts = {source: _hits(group, k, glosses) for source, group in sources}
                if mean == MEAN:
                    cells |= {(recipe, source, k): [part] for source, part in parts.items()}
                cells[recipe, mean, k] = list(parts.values())
    return cells


def _hits(rows: pd.DataFrame, k: int, glosses: list[str]) -> Hits:
    """Count the right answers of one source, by gloss and seed."""
    counts = rows.assign(hit=rows["rank"] <= k).groupby(["gloss", "seed"])["hit"].sum().unstack("seed", fill_value=0)
    clips = rows.groupby("gloss")["clip"].nunique()
    return Hits(
        counts.reindex(glosses, fill_value=0).to_numpy(np.int64), clips.reindex(glosses, fill_value=0).to_numpy()
    )


def accuracy_table(cells: Cells) -> pd.DataFrame:
    """Return a row a cell: recipe, test_source, k, accuracy (0 to 1, over clips and seeds), clips, seeds, delta, low,
    high, seed_sd.

    `delta` is against Baseline on the same clips; low and high are the accuracy's 95 % interval; `seed_sd` its
    standard deviation between seeds, empty with a single one.
    """
    rows = []
    for (recipe, source, k), cell in cells.items():
        low, high = statistics.interval(cell)
        baseline = cells.get((BASELINE, source, k))
        rows.append(
            {
                "recipe": recipe,
                "test_source": source,
                "k": k,
                "accuracy": accuracy(cell),
                "clips": sum(int(part.clips.sum()) for part in cell),
                "seeds": cell[0].trainings,
                "delta": change(cell, baseline) if baseline else float("nan"),
                "low": low,
                "high": high,
                "seed_sd": statistics.seed_sd(cell),
            }
        )
    return pd.DataFrame(rows)


def with_steps(table: pd.DataFrame, steps: dict[tuple[str, str], int]) -> pd.DataFrame:
    """Add the column `steps`: a training's optimiser steps, by recipe and test source; for a mean their mean."""
    means = pd.Series(steps).groupby(level=0).mean().round().astype(int)
    cells = zip(table["recipe"], table["test_source"], strict=True)
    return table.assign(steps=[steps.get(cell, means[cell[0]]) for cell in cells])


def comparison_table(cells: Cells, seeded: bool = True) -> pd.DataFrame:
    """Return every recipe against Baseline: recipe, test_source, k, delta, low, high, p, about, p_adjusted, outcome.

    `p` is exact, by sign flips of glosses: McNemar's where a gloss has one prediction. That takes the trainings as they
    are: with fewer than MIN_TRAININGS a side a comparison is `about` these trainings. With as many it is about the
    recipes, and p is the larger of that and the one by all noises (glosses, trainings, for a mean test sources too).
    A recogniser that is not `seeded` has one training, which is always the same: its comparisons are about the recipes.
    `p_adjusted` is Holm's over all the comparisons of a top-K. An outcome other than `not distinguishable` needs
    p_adjusted below 0.05 and an interval without 0.
    Raises CalseError when a recipe was tested on other clips than Baseline.
    """
    rows = []
    for (recipe, source, k), cell in cells.items():
        baseline = cells.get((BASELINE, source, k))
        if baseline is None or recipe == BASELINE:
            continue
        _check_paired(f"recipe {recipe}, {source}: its test clips are not {BASELINE}'s", cell, baseline)
        rows.append({"recipe": recipe, "test_source": source, "k": k} | compared(cell, baseline, seeded))
    return _judged(rows, ["recipe", "test_source", "k"])


def compared(cell: Cell, baseline: Cell, seeded: bool) -> dict[str, Any]:
    """Return the change between two cells of the same clips: delta, low, high, p, about."""
    low, high = statistics.difference_interval(cell, baseline)
    p = statistics.sign_flip(statistics.gloss_differences(cell, baseline))
    many = min(part.trainings for part in (*cell, *baseline)) >= MIN_TRAININGS
    if many:
        p = max(p, change_p(cell, baseline))
    about = RECIPES if many or not seeded else TRAININGS
    return {"delta": change(cell, baseline), "low": low, "high": high, "p": p, "about": about}


def _judged(rows: list[dict[str, Any]], names: list[str]) -> pd.DataFrame:
    """Return comparisons as a table, with p adjusted over those of a top-K and an outcome."""
    table = pd.DataFrame(rows, columns=[*names, "delta", "low", "high", "p", "about"])
    table["p_adjusted"] = table.groupby("k")["p"].transform(lambda values: statistics.holm(values.to_list()))
    judged = zip(table["delta"], table["low"], table["high"], table["p_adjusted"], strict=True)
    return table.assign(outcome=[outcome(*row) for row in judged])


def recogniser_table(cells: Mapping[str, Cells], seeded: Collection[str]) -> pd.DataFrame:
    """Return each recogniser against each before it, on the same clips and the recipe Baseline: recogniser, against, k,
    clips, accuracy, delta, and the columns of `comparison_table`. The test source is the mean over all.

    `cells` are each recogniser's own, `seeded` the names of those whose trainings depend on a seed. Empty with one
    recogniser. Raises CalseError when two were tested on other clips.
    """
    rows = []
    for (first, own), (second, others) in combinations(cells.items(), 2):
        for key in (key for key in own if key[:2] == (BASELINE, MEAN) and key in others):
            base, cell = own[key], others[key]
            _check_paired(f"{second}, {BASELINE}: its test clips are not those of {first}", cell, base)
            clips = sum(int(part.clips.sum()) for part in cell)
            row = {"recogniser": second, "against": first, "k": key[2], "clips": clips, "accuracy": accuracy(cell)}
            rows.append(row | compared(cell, base, bool({first, second} & {*seeded})))
    return _judged(rows, ["recogniser", "against", "k", "clips", "accuracy"])


def change(cell: Cell, baseline: Cell) -> float:
    """Return the accuracy's change against the baseline, 0 to 1."""
    return round(accuracy(cell) - accuracy(baseline), 9)


def _check_paired(wrong: str, cell: Cell, baseline: Cell) -> None:
    """Raise CalseError unless two cells have the same clips of every gloss."""
    if [part.clips.tolist() for part in cell] != [part.clips.tolist() for part in baseline]:
        raise CalseError(f"{wrong}; run: dvc repro")


def outcome(delta: float, low: float, high: float, p_adjusted: float) -> str:
    """Return what can be said of a comparison."""
    if p_adjusted >= SIGNIFICANT or low <= 0 <= high:
        return UNDECIDED
    return BETTER if delta > 0 else WORSE


def in_words(outcome: str, about: str) -> str:
    """Return an outcome with what it is about, where that is less than the recipes."""
    return outcome if outcome == UNDECIDED or about == RECIPES else f"{outcome} in these {TRAININGS}"


def count_range(counts: Iterable[int]) -> str:
    """Return `3`, or `2 to 5` where counts differ; nothing without one."""
    found = sorted(set(counts))
    if len(found) > 1:
        return f"{found[0]} to {found[-1]}"
    return str(found[0]) if found else ""


def markdown(cells: list[list[str]]) -> list[str]:
    """Return the lines of a table in Markdown; the first line of its cells is the heading."""
    lines = [f"| {' | '.join(line)} |" for line in cells]
    return [lines[0], f"|{'---|' * len(cells[0])}", *lines[1:]]


def to_markdown(table: pd.DataFrame, k: int) -> str:
    """Return one top-K: recipes as rows, test sources as columns, accuracy in percent and its change in points."""
    table = table[table["k"] == k]
    sources = list(dict.fromkeys(table["test_source"]))
    values = (100 * table["accuracy"]).round(1)
    if len(table) > 1 and values.nunique() == 1:
        return f"top-{k}: {values.iloc[0]:.1f} everywhere\n"
    lines = [[f"top-{k}", *sources]]
    for recipe, rows in table.groupby("recipe", sort=False):
        by_source = rows.set_index("test_source")
        lines.append([str(recipe), *(_cell(by_source, source) for source in sources)])
    return "\n".join(markdown(lines)) + "\n"


def _cell(rows: pd.DataFrame, source: str) -> str:
    """Return a cell in Markdown, empty where nothing was measured."""
    if source not in rows.index:
        return ""
    row = rows.loc[source]
    delta = "" if row["recipe"] == BASELINE or np.isnan(row["delta"]) else f" ({100 * row['delta']:+.1f})"
    return f"{100 * row['accuracy']:.1f}{delta}"
