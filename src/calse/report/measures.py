"""The measures beside top-K, by name, as `evaluate` computed them: a table for people and one for programs."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from calse.report.table import MEAN, OMITTED, VALIDATION, markdown

NOT_SHOWN_HERE = re.compile(r"clips|seeds|top\d+")  # top-K has a table of its own


def measure_table(scores: dict[str, dict[str, Any]], test_sources: Iterable[str]) -> pd.DataFrame:
    """Return recipe, test_source, measure, value from each recipe's metrics.json; the mean and, where clips with the
    face blurred or held back for validation were tested, their means are test sources too.
    """
    rows = []
    for recipe, figures in scores.items():
        columns = {source: figures["filmed"][source] for source in test_sources} | {MEAN: figures["mean"]["filmed"]}
        others = {"omitted": OMITTED, "validation": VALIDATION}
        columns |= {column: figures["mean"][name] for name, column in others.items() if name in figures["mean"]}
        for source, measures in columns.items():
            shown = (name for name in measures if not NOT_SHOWN_HERE.fullmatch(name))
            names = sorted(shown, key=_with_numbers)
            rows += [(recipe, source, name, measures[name]) for name in names]
    return pd.DataFrame(rows, columns=["recipe", "test_source", "measure", "value"])


def _with_numbers(name: str) -> list[str | int]:
    """Return what sorts a name's numbers as numbers: top5 before top10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def worst_rows(predictions: pd.DataFrame, signers: Mapping[str, str], k: int) -> pd.DataFrame:
    """Return rows like those of `measure_table`: every recipe's top-K in its worst test source and, where test sources
    have several signers, of its worst signer, at the signer's test source. `signers` says who signs in which clip.
    """
    filmed = predictions[predictions["test_set"] == "filmed"]
    filmed = filmed.assign(value=filmed["rank"] <= k, signer=filmed["clip"].map(signers))
    several = filmed.groupby("test_source")["signer"].nunique().max() > 1
    found = []
    for name in ("source", "signer") if several else ("source",):
        columns = ["recipe", "test_source"] if name == "source" else ["recipe", "test_source", "signer"]
        groups = filmed.groupby(columns, sort=False)["value"].mean().reset_index()
        worst = groups.loc[groups.groupby("recipe", sort=False)["value"].idxmin()]
        found.append(worst.assign(measure=f"top{k}_worst_{name}"))
    return pd.concat(found, ignore_index=True)[["recipe", "test_source", "measure", "value"]]


def mean_measures(table: pd.DataFrame) -> list[list[str]]:
    """Return the means over the test sources as cells, then the worst source and signer by name: a line of names, then
    one line a recipe.
    """
    shown = table[(table["test_source"] == MEAN) | table["measure"].str.contains("_worst_")]
    names, recipes = list(dict.fromkeys(shown["measure"])), list(dict.fromkeys(shown["recipe"]))
    cells = {}
    for recipe, source, name, value in shown[["recipe", "test_source", "measure", "value"]].itertuples(index=False):
        cells[recipe, name] = f"{value:.3f}" if source == MEAN else f"{value:.3f} ({source})"
    lines = [[recipe, *(cells.get((recipe, name), "") for name in names)] for recipe in recipes]
    return [["recipe", *names], *lines] if lines else []


def measure_section(table: pd.DataFrame) -> str:
    """Return the means as Markdown, empty when there are none."""
    cells = mean_measures(table)
    if not cells:
        return ""
    cells[0] = [name.replace("_", " ") for name in cells[0]]  # `calse show` breaks a name at spaces, else cuts it off
    heading = "## Other measures: means over the test sources, and the worst (`measures.csv`)\n"
    return "\n".join([heading, *markdown(cells), ""])
