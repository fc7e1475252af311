"""Published figures of a corpus, and what can be said of their changes when only accuracies are known."""

from importlib.resources import files
from math import ceil

import numpy as np
import pandas as pd

from calse.report.statistics import holm, mcnemar
from calse.report.table import BASELINE, MEAN, SIGNIFICANT, markdown, to_markdown

NOISE, PERHAPS, HARDLY = "certainly within noise", "could be noise", "hardly noise"
SECTION = """
What the changes can be, each figure read as one training on the same clips a source: neither pairs of predictions nor
the number of trainings nor their spread are published, and averages of many trainings could carry more. `p least`:
every clip that changed sides did so in favour of the change, the best case of any pairing. `p plausible`: half as many
clips changed sides against it as between unrelated trainings. McNemar's exact test, Holm's correction over a top-K.
"""


def read_published(corpus: str) -> pd.DataFrame | None:
    """Return what published/<corpus>.csv says: recipe, test_source, k, accuracy, clips, delta; None without that file.

    The test source `mean` is added: the plain mean over the sources, and all their clips.
    """
    path = files("calse.report").joinpath("published", f"{corpus}.csv")
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        table: pd.DataFrame = pd.read_csv(file)
    groups = table.groupby(["recipe", "k"], sort=False, as_index=False)
    mean = groups.agg(accuracy=("accuracy", "mean"), clips=("clips", "sum"))
    table = pd.concat([table, mean.assign(test_source=MEAN)], ignore_index=True)
    baseline = table[table["recipe"] == BASELINE].set_index(["test_source", "k"])["accuracy"]
    wanted = pd.MultiIndex.from_frame(table[["test_source", "k"]])
    table["delta"] = table["accuracy"].to_numpy() - baseline.reindex(wanted).to_numpy()
    return table


def published_comparisons(published: pd.DataFrame) -> pd.DataFrame:
    """Return what each published change can be: recipe, test_source, k, accuracy, delta, clips, p_least, p_plausible,
    both adjusted over the comparisons of the top-K, and an outcome.

    `certainly within noise`: not even p_least, adjusted, is below 0.05. `hardly noise`: p_plausible is as well.
    """
    table = published[published["recipe"] != BASELINE].reset_index(drop=True)
    changes = list(zip(table["accuracy"] - table["delta"], table["accuracy"], table["clips"], strict=True))
    for name, pairing in (("p_least", least_p), ("p_plausible", plausible_p)):
        table[name] = [pairing(*change) for change in changes]
        table[f"{name}_adjusted"] = table.groupby("k")[name].transform(lambda values: holm(values.to_list()))
    clear = [table[f"{name}_adjusted"] < SIGNIFICANT for name in ("p_plausible", "p_least")]
    return table.assign(outcome=np.select(clear, [HARDLY, PERHAPS], NOISE))


def changed_clips(baseline: float, accuracy: float, clips: int) -> int:
    """Return how many clips a change stands for, part of a clip in its favour taken as whole."""
    return ceil(round(clips * abs(accuracy - baseline), 6))


def least_p(baseline: float, accuracy: float, clips: int) -> float:
    """Return the smallest p that any pairing of two accuracies allows: no clip changed sides against the change."""
    return mcnemar(changed_clips(baseline, accuracy, clips), 0)


def plausible_p(baseline: float, accuracy: float, clips: int) -> float:
    """Return p when half as many clips changed sides against the change as between unrelated trainings."""
    low, high = sorted((baseline, accuracy))
    against = round(clips * low * (1 - high) / 2)
    return mcnemar(against + changed_clips(baseline, accuracy, clips), against)


def published_section(published: pd.DataFrame, comparisons: pd.DataFrame) -> str:
    """Return the published tables as Markdown, and a row an outcome with the changes that earn it."""
    lines = ["## As published\n", *(to_markdown(published, k) for k in published["k"].unique()), SECTION]
    found = [["outcome", "changes", "which"]]
    for outcome in (HARDLY, PERHAPS, NOISE):
        rows = comparisons[comparisons["outcome"] == outcome]
        found.append([outcome, str(len(rows)), "all others" if outcome == NOISE else _named(rows)])
    return "\n".join([*lines, *markdown(found), "", "Each with its p: `published.csv`.\n"])


def _named(rows: pd.DataFrame) -> str:
    """Return changes by name, in points."""
    rows = rows.assign(change=100 * rows["delta"])
    return "; ".join("{recipe} {test_source} top-{k} ({change:+.1f})".format_map(row) for _, row in rows.iterrows())
