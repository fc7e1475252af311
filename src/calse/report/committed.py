"""How far a rebuilt table lies from the committed one, and how far the same study may on another machine."""

import io

import pandas as pd
from scipy.stats import norm

from calse.report.statistics import LEVEL
from calse.report.table import MEAN, OMITTED, VALIDATION

CELL = {"recogniser": str, "recipe": str, "test_source": str, "k": int}


def distances(table: str, committed: str) -> list[str]:
    """Return a line for each recogniser of two texts of table.csv: how far its accuracies are apart, and the tolerance.

    Another kind of processor trains other weights, as another seed would, and both are tested on the same clips. The
    accuracy of a training on n clips, of which a share p is right, then varies by no more than p (1 - p) / n while the
    clips do so independently; where a table has several trainings, the variance between them is added. Tolerances hold
    95 % of the differences of two such trainings: of the mean over recipes and test sources at the smallest top-K, and
    of the furthest of these cells.
    """
    if table.strip() == committed.strip():
        return ["table is this one, to the byte"]
    here, then = (pd.read_csv(io.StringIO(text), dtype=CELL, keep_default_na=False) for text in (table, committed))
    pairs = here.merge(then, "outer", list(CELL), suffixes=("", "_then"), indicator=True)
    if (pairs["_merge"] != "both").any() or (pairs["clips"] != pairs["clips_then"]).any():
        return ["table has other cells"]
    cells = pairs[(pairs["k"] == pairs["k"].min()) & ~pairs["test_source"].isin([MEAN, OMITTED, VALIDATION])]
    return [f"{name}: {_distance(rows)}" for name, rows in cells.groupby("recogniser", sort=False)]


def _distance(cells: pd.DataFrame) -> str:
    """Return how far one recogniser's accuracies are apart, and whether that is within tolerance."""
    apart = cells["accuracy"] - cells["accuracy_then"]
    variance = _variance(cells, "") + _variance(cells, "_then")
    of_mean = norm.isf((1 - LEVEL) / 2) * variance.sum() ** 0.5 / len(cells)
    of_cell = norm.isf((1 - LEVEL) / 2 / len(cells)) * variance**0.5
    furthest = (apart.abs() / of_cell).idxmax()
    within = abs(apart.mean()) <= of_mean and abs(apart[furthest]) <= of_cell[furthest]
    return (
        f"mean top-{cells['k'].iloc[0]} {100 * cells['accuracy'].mean():.1f} %, committed "
        f"{100 * cells['accuracy_then'].mean():.1f} % ({100 * abs(apart.mean()):.1f} points apart, tolerance "
        f"{100 * of_mean:.1f}); furthest {cells['recipe'][furthest]} {cells['test_source'][furthest]} "
        f"({100 * abs(apart[furthest]):.1f}, tolerance {100 * of_cell[furthest]:.1f}): "
        f"{'within tolerance' if within else 'OUT OF TOLERANCE'}"
    )


def _variance(cells: pd.DataFrame, table: str) -> pd.Series:
    """Return the variance of each accuracy over trainings on these clips.

    p counts one clip more that is right and one that is wrong, so that no variance is 0.
    """
    clips, seeds = cells["clips"], cells[f"seeds{table}"]
    right = (cells[["accuracy", "accuracy_then"]].mean(axis=1) * clips + 1) / (clips + 2)
    between = pd.to_numeric(cells[f"seed_sd{table}"]).fillna(0) ** 2
    return (right * (1 - right) / clips + between) / seeds
