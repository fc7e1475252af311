"""The finding of the page, its tables and its intervals."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from calse.report.page.charts import percent, points
from calse.report.plots import Interval, interval_svg
from calse.report.table import BASELINE, BETTER, MEAN, TRAININGS, UNDECIDED, WORSE, in_words

WORDS = {BETTER: "helps", WORSE: "harms"}
COLOURS = {BETTER: "good", WORSE: "bad", UNDECIDED: "soft"}
MOST_CLAUSES = 3


@dataclass(frozen=True)
class Finding:
    """What the study found, in a headline and a few sentences."""

    title: str
    lines: list[str]


def finding_of(table: pd.DataFrame, comparisons: pd.DataFrame, glosses: int) -> Finding:
    """Say which recipe differs from Baseline at the smallest top-K, that none can be, or what a single one reaches."""
    k = int(table["k"].min())
    shown = comparisons[comparisons["k"] == k]
    if shown.empty:
        return _uncompared(table[table["k"] == k], k, glosses)
    clear = shown[shown["outcome"] != UNDECIDED]
    found, few = _clauses(clear), bool((clear["about"] == TRAININGS).any())
    title = "; ".join(found) if found else f"No recipe can be told apart from {BASELINE}"
    if len(found) > MOST_CLAUSES:
        title = f"{clear['recipe'].nunique()} of {shown['recipe'].nunique()} recipes differ from {BASELINE}"
        title += f" in these {TRAININGS}" if few else ""
    lines = ["; ".join(found) + "."] if len(found) > MOST_CLAUSES else []
    lines += [_counted(shown, k), _largest(shown)]
    if few:
        lines.append(
            "Too few trainings to speak of the recipes: what another seed would change is not in these results."
        )
    return Finding(title, lines)


def _uncompared(table: pd.DataFrame, k: int, glosses: int) -> Finding:
    """Say what a single recipe reaches, as of a corpus that is only recognised; of several, that none is Baseline."""
    advice = f"To compare takes {BASELINE} and another recipe."
    rows = table[table["test_source"] == MEAN]
    if len(rows) != 1:
        return Finding("Nothing to compare yet", [advice])
    row = rows.iloc[0]
    interval = f"95 % interval {percent(row['low'], 0)} to {percent(row['high'], 0)}"
    chance = percent(min(1, k / glosses))
    return Finding(
        f"{row['recipe']} reaches {percent(row['accuracy'])} % top-{k}",
        [f"On {row['clips']} clips of sources never seen ({interval}); guessing reaches {chance} %. {advice}"],
    )


def joint_finding(findings: dict[str, Finding]) -> Finding:
    """Return the findings of several recognisers as one, each under its name; that of a single one as it is."""
    if len(findings) == 1:
        return next(iter(findings.values()))
    titles = {one.title for one in findings.values()}
    title = titles.pop() if len(titles) == 1 else "; ".join(f"{name}: {one.title}" for name, one in findings.items())
    return Finding(title, [f"{name}: {line}" for name, one in findings.items() for line in one.lines])


def _clauses(clear: pd.DataFrame) -> list[str]:
    """Return `AF2 helps`, `AF2 helps on SACU` where only single sources tell, or what too few trainings did."""
    clauses = []
    for outcome, word in WORDS.items():
        for recipe, rows in clear[clear["outcome"] == outcome].groupby("recipe", sort=False):
            means = rows[rows["test_source"] == MEAN]
            where = "" if len(means) else f" on {', '.join(rows['test_source'])}"
            few = ((means if len(means) else rows)["about"] == TRAININGS).any()
            clauses.append(f"{recipe} did {in_words(outcome, TRAININGS)}{where}" if few else f"{recipe} {word}{where}")
    return clauses


def _counted(shown: pd.DataFrame, k: int) -> str:
    """Say how many comparisons go beyond chance."""
    clear = int((shown["outcome"] != UNDECIDED).sum())
    goes = "goes" if clear < 2 else "go"
    return (
        f"{clear or 'None'} of the {len(shown)} comparisons with {BASELINE} (top-{k}, on the same clips, corrected for "
        f"their number) {goes} beyond chance."
    )


def _largest(shown: pd.DataFrame) -> str:
    """Name the largest change of the mean with its interval."""
    means = shown[shown["test_source"] == MEAN]
    row = (means if len(means) else shown).sort_values("delta", key=abs, kind="stable").iloc[-1]
    if not row["delta"]:
        return f"The {row['test_source']} is the same with every recipe."
    return (
        f"Largest change of the {row['test_source']}: {row['recipe']}, {points(row['delta'])} points "
        f"(95 % interval {points(row['low'])} to {points(row['high'])})."
    )


def accuracies(table: pd.DataFrame, comparisons: pd.DataFrame, glosses: int) -> list[dict[str, Any]]:
    """Return, for every top-K, its table (columns, rows of cells) and its interval panels, the mean's first.

    `same` is the one accuracy that all cells share, if they do: then a table says nothing.
    """
    parts = []
    for k in sorted(set(table["k"])):
        compared = comparisons[comparisons["k"] == k]
        part = {"k": k, "chance": min(1, k / glosses)} | _rows(table[table["k"] == k], compared)
        parts.append(part | {"panels": [] if part["same"] else panels(compared)})
    return parts


def _rows(table: pd.DataFrame, comparisons: pd.DataFrame) -> dict[str, Any]:
    """Return one top-K's columns and rows of cells."""
    compared, cells = _by_cell(comparisons), _by_cell(table)
    columns, recipes = mean_first(table["test_source"]), list(dict.fromkeys(table["recipe"]))
    rows = [{"recipe": name, "cells": [_cell(cells, compared, (name, c)) for c in columns]} for name in recipes]
    values = {percent(value) for value in table["accuracy"]}
    return {"columns": columns, "rows": rows, "same": values.pop() if len(values) == 1 and len(table) > 1 else None}


def _by_cell(table: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """Return a table's rows by recipe and test source."""
    rows: list[Any] = table.to_dict("records")
    return {(row["recipe"], row["test_source"]): row for row in rows}


def _cell(cells: dict[Any, Any], compared: dict[Any, Any], key: tuple[str, str]) -> dict[str, Any] | None:
    """Return what a cell of the table shows, None when nothing was measured there."""
    if key not in cells:
        return None
    row = cells[key]
    shown = {"accuracy": percent(row["accuracy"]), "low": percent(row["low"], 0), "high": percent(row["high"], 0)}
    spread = None if pd.isna(row["seed_sd"]) else percent(row["seed_sd"])
    change = compared.get(key)
    if change is None:
        return shown | {"spread": spread, "delta": None, "outcome": None}
    return shown | {
        "spread": spread,
        "delta": points(change["delta"]),
        "outcome": change["outcome"],
        "words": in_words(change["outcome"], change["about"]),
        "p": change["p_adjusted"],
    }


def mean_first(sources: Iterable[str]) -> list[str]:
    """Return the names once each, in their order but the mean in front: it is the answer."""
    return sorted(dict.fromkeys(sources), key=lambda name: name != MEAN)


def panels(compared: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the changes against Baseline with their intervals, one panel a test source on a common axis in points."""
    low, high = 100 * min(0, compared["low"].min()), 100 * max(0, compared["high"].max())
    margin = 0.05 * (high - low) or 1
    shown = []
    for name in mean_first(compared["test_source"]):
        rows = [_interval(row) for row in compared[compared["test_source"] == name].to_dict("records")]
        title = f"Changes against {BASELINE}, {name}, in points"
        shown.append({"name": name, "svg": interval_svg(title, rows, (low - margin, high + margin))})
    return shown


def _interval(row: dict[Hashable, Any]) -> Interval:
    """Return a comparison as an interval to draw."""
    change, low, high = (100 * row[name] for name in ("delta", "low", "high"))
    words = (
        f"{row['recipe']}: {points(row['delta'])} points, 95 % interval {points(row['low'])} to {points(row['high'])}"
    )
    words += f", p {row['p_adjusted']:.3f} corrected: {row['outcome']}"
    return Interval(row["recipe"], change, low, high, words, COLOURS[row["outcome"]])


def published(changes: pd.DataFrame) -> list[dict[str, Any]]:
    """Return, for every top-K, the published changes with their outcomes, and how many earn each."""
    parts = []
    for k in sorted(set(changes["k"])):
        rows = changes[changes["k"] == k]
        cells, columns = _by_cell(rows), mean_first(rows["test_source"])
        lines = [{"recipe": name, "cells": [cells[name, c] for c in columns]} for name in dict.fromkeys(rows["recipe"])]
        counts = rows["outcome"].value_counts(sort=False).to_dict()
        parts.append({"k": k, "columns": columns, "rows": lines, "counts": counts})
    return parts
