"""The results of one recogniser, computed from what the stages before the report measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from calse.config.params import Params
from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.recognition.training.plateau import collapse_warning
from calse.report.comparisons import noises
from calse.report.measures import measure_table, worst_rows
from calse.report.read import read_confusion, read_curves, read_predictions, read_scores, steps_of
from calse.report.table import BASELINE, MEAN, Cells, accuracy_table, comparison_table, counted_cells, with_steps


@dataclass(frozen=True)
class Results:
    """What the trainings of one recogniser gave; its recipes, but for controls, are compared with Baseline within it.

    `predictions` has a row a prediction, `confused` a row for each pair of right and first-ranked gloss, `table` a row
    a cell, `comparisons` a row a cell beside Baseline, `measures` a row a value, `curves` a row an epoch. `notes` are
    sentences on how to read them, `failures` on trainings that learned nothing and controls that learned something.
    """

    recogniser: str
    predictions: pd.DataFrame
    confused: pd.DataFrame
    cells: Cells
    table: pd.DataFrame
    comparisons: pd.DataFrame
    measures: pd.DataFrame
    curves: pd.DataFrame
    notes: list[str]
    failures: list[str]


def results_of(params: Params, layout: Layout, recogniser: str, signers: Mapping[str, str]) -> Results:
    """Read and compare the trainings of a recogniser; `signers` says who signs in which test clip.

    Raises CalseError when a recipe has no predictions, or others than Baseline's clips.
    """
    recipes = [name for name, recipe in params.recipes.items() if not recipe.permute]
    predictions, confused = (
        pd.concat([read(layout, recogniser, recipe) for recipe in recipes], ignore_index=True)
        for read in (read_predictions, read_confusion)
    )
    scores = {recipe: read_scores(layout, recogniser, recipe) for recipe in recipes}
    seeded = hasattr(params.train[recogniser], "seeds")
    cells = counted_cells(predictions, params.evaluate.topk)
    measures = measure_table(scores, params.test_sources)
    worst = worst_rows(predictions, signers, min(params.evaluate.topk))
    curves = read_curves(params, layout, recogniser)
    curves = curves[curves["recipe"].isin(recipes)].reset_index(drop=True)
    splits = {recipe: path for recipe in recipes if (path := layout.split(recipe)).is_file()}
    at_chance, leaking = controls(params, layout, recogniser)
    others = controls_compared(params) if seeded else []
    notes = [noises(cells, seeded), unseen_faces(params, recogniser), *others, *at_chance]
    return Results(
        recogniser=recogniser,
        predictions=predictions,
        confused=confused,
        cells=cells,
        table=with_steps(accuracy_table(cells), steps_of(scores)),
        comparisons=comparison_table(cells, seeded),
        measures=pd.concat([measures, worst], ignore_index=True),
        curves=curves if seeded else curves[:0],  # what is compared and not trained has one point, no curve
        notes=[note for note in notes if note],
        failures=[*leaking, *collapsed(curves, splits)],
    )


def controls(params: Params, layout: Layout, recogniser: str) -> tuple[list[str], list[str]]:
    """Return a sentence for every recipe that trained on shuffled glosses: those at chance, and those above it.

    Above is where the 95 % interval of the mean's smallest top-K lies over what guessing reaches: then something tells
    a training what its test clips are.
    """
    at_chance, leaking = [], []
    for recipe in (name for name, one in params.recipes.items() if one.permute):
        table = accuracy_table(counted_cells(read_predictions(layout, recogniser, recipe), params.evaluate.topk))
        row = table[table["test_source"] == MEAN].sort_values("k").iloc[0]
        guessing = min(1, row["k"] / params.corpus.glosses)
        accuracy, low, high, chance = (
            f"{100 * part:.1f}" for part in (row["accuracy"], row["low"], row["high"], guessing)
        )
        text = (
            f"{recipe}, trained on shuffled glosses, reaches {accuracy} % top-{row['k']} (95 % interval {low} to "
            f"{high}) where guessing reaches {chance} %"
        )
        if row["low"] > guessing:
            leaking.append(f"{text}: something leaks from the test clips into the training, and no figure here holds")
        else:
            at_chance.append(f"{text}: a control, at chance as it must be.")
    return at_chance, leaking


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


def controls_compared(params: Params) -> list[str]:
    """Return a sentence for each recipe of other seeds alone, and one for all that take no more steps than Baseline."""
    found = []
    for name, recipe in params.recipes.items():
        if recipe.seeds and not recipe.sets and not recipe.permute and name != BASELINE:
            found.append(f"{name} is {BASELINE} with other seeds: a control, whose change nothing but chance made.")
    if even := ", ".join(name for name, recipe in params.recipes.items() if recipe.equal_steps):
        found.append(f"No more steps than {BASELINE}, for more clips are not to be more training: {even}.")
    return found


def unseen_faces(params: Params, recogniser: str) -> str:
    """Say that swapped faces cannot change a recogniser that sees none; empty for one that does."""
    recipes = [name for name, recipe in params.recipes.items() if any(used in params.swap for used in recipe.sets)]
    if params.train[recogniser].sees_faces or not recipes:
        return ""
    return (
        f"{recogniser} is given hands and body, which a swapped face does not change: what swapped sets add in "
        f"{', '.join(recipes)} is the same movement once more."
    )


def named(results: list[Results], table: str) -> pd.DataFrame:
    """Return one table of all the recognisers, with a column `recogniser`."""
    parts = [getattr(one, table).assign(recogniser=one.recogniser) for one in results]
    joined: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return joined.reindex(columns=["recogniser", *parts[0].columns[:-1]])
