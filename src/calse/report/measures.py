"""The measures beside top-K, by name, as `evaluate` computed them: a table for people and one for programs."""

import re
from collections.abc import Iterable
from typing import Any

import pandas as pd

from calse.report.table import MEAN, OMITTED

NOT_SHOWN_HERE = re.compile(r"clips|seeds|top\d+")  # top-K has a table of its own


def measure_table(scores: dict[str, dict[str, Any]], test_sources: Iterable[str]) -> pd.DataFrame:
    """Return recipe, test_source, measure, value from each recipe's metrics.json; the mean and, where clips with the
    face blurred were tested, their mean are test sources too.
    """
    rows = []
    for recipe, figures in scores.items():
        columns = {source: figures["filmed"][source] for source in test_sources} | {MEAN: figures["mean"]["filmed"]}
        columns |= {OMITTED: figures["mean"]["omitted"]} if "omitted" in figures["mean"] else {}
        for source, measures in columns.items():
            shown = (name for name in measures if not NOT_SHOWN_HERE.fullmatch(name))
            names = sorted(shown, key=_with_numbers)
            rows += [(recipe, source, name, measures[name]) for name in names]
    return pd.DataFrame(rows, columns=["recipe", "test_source", "measure", "value"])


def _with_numbers(name: str) -> list[str | int]:
    """Return what sorts a name's numbers as numbers: top5 before top10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def mean_measures(table: pd.DataFrame) -> list[list[str]]:
    """Return the means over the test sources as cells: a line of names, then one line a recipe."""
    means = table[table["test_source"] == MEAN]
    names, recipes = list(dict.fromkeys(means["measure"])), list(dict.fromkeys(means["recipe"]))
    values = means.set_index(["recipe", "measure"])["value"]
    lines = [
        [recipe, *(f"{values[recipe, name]:.3f}" if (recipe, name) in values else "" for name in names)]
        for recipe in recipes
    ]
    return [["recipe", *names], *lines] if lines else []


def measure_section(table: pd.DataFrame) -> str:
    """Return the means as Markdown, empty when there are none."""
    cells = mean_measures(table)
    if not cells:
        return ""
    lines = [f"| {' | '.join(line)} |" for line in cells]
    lines.insert(1, f"|{'---|' * len(cells[0])}")
    return "\n".join(["## Other measures, mean over the test sources (`measures.csv`)\n", *lines, ""])
