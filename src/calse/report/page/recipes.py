"""What each recipe trains on and how its trainings went: more clips are also more steps unless they are held equal."""

from typing import Any

import pandas as pd

from calse.config.params import Params
from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.report.plots import curve_svg, source_colours
from calse.report.study import Results
from calse.report.table import count_range


def recipes(params: Params, layout: Layout, results: Results) -> list[dict[str, Any]]:
    """Return every recipe's sets and seeds, and for a recogniser's trainings the clips and the optimiser steps."""
    table = results.table
    return [
        {
            "name": name,
            "sets": recipe.sets,
            "equal_steps": recipe.equal_steps,
            "seeds": params.seeds_of(results.recogniser, name),
            "clips": count_range(_clips(params, layout, name)),
            "steps": count_range(table.loc[table["recipe"] == name, "steps"]),
        }
        for name, recipe in params.recipes.items()
    ]


def _clips(params: Params, layout: Layout, recipe: str) -> list[int]:
    """Count the training clips against every test source."""
    path = layout.split(recipe)
    return [len(read_split(path).train(source)) for source in params.test_sources] if path.is_file() else []


def curve_panels(curves: pd.DataFrame) -> dict[str, Any] | None:
    """Return for every recipe its trainings' loss and accuracy as SVG, on axes that all share, and the means where they
    end; None without any curves.
    """
    if curves.empty:
        return None
    colours, last_epoch = source_colours(curves), curves["epoch"].max()
    panels = []
    for recipe, rows in curves.groupby("recipe", sort=False):
        last = rows.groupby(["test_source", "seed"]).last()
        panel: dict[str, Any] = {"recipe": recipe, "loss": last["loss"].mean(), "accuracy": last["accuracy"].mean()}
        panel["plots"] = [
            curve_svg(f"{recipe}: {name} by epoch", rows, name, colours, (last_epoch, top))
            for name, top in (("loss", curves["loss"].max()), ("accuracy", 1))
        ]
        panels.append(panel)
    return {"panels": panels, "colours": colours}
