"""Fusions: the scores of a recogniser that draws nothing and those of a trained network, added on the same clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from calse.config.params import Params
from calse.data.paths import Layout
from calse.report.read import read_scored
from calse.report.table import BASELINE, MEAN, Cells, counted_cells, markdown
from calse.runtime.errors import CalseError

WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0)  # of the network's z-scores; the other's have weight 1
NEVER = -1e6  # the z-score of a class that cannot be: finite, so that a weight of 0 leaves it out
FUSED = (
    f"Fusions on the recipe {BASELINE}: each clip's scores as z-scores, the network's times a weight. The weight for a "
    "test source is the best on the other test sources' clips, of equal ones the least; the fixed weights show what "
    "it makes of the choice"
)


@dataclass(frozen=True)
class Fusion:
    """Two recognisers as one. `cells` are those of the recipe Baseline with chosen weights; `table` has a row a test
    source: fusion, test_source, the accuracy at each of WEIGHTS, `chosen`, and `weights`, those chosen by the seeds.
    """

    name: str
    cells: Cells
    table: pd.DataFrame


def fusions_of(params: Params, layout: Layout) -> list[Fusion]:
    """Return each recogniser without seeds fused with each network; none with a single test source or no Baseline.

    Raises CalseError when two were tested on other clips.
    """
    if len(params.test_sources) < 2 or BASELINE not in params.recipes:
        return []
    seeded = [name for name, settings in params.train.items() if hasattr(settings, "seeds")]
    found = []
    for still, network in product([name for name in params.train if name not in seeded], seeded):
        known, rows = (read_scored(layout, name, BASELINE) for name in (still, network))
        places = pd.Index(known.rows["clip"]).get_indexer(rows.rows["clip"])
        if (places < 0).any() or known.classes != rows.classes:
            raise CalseError(
                f"{network}, {BASELINE}: its test clips or glosses are not those of {still}; run: dvc repro"
            )
        labels = np.array([rows.classes.index(gloss) for gloss in rows.rows["gloss"]])
        one, other = z_scores(known.scores)[places], z_scores(rows.scores)
        ranks = np.stack([ranks_of(one + weight * other, labels) for weight in WEIGHTS])
        found.append(fusion_of(f"{still} + {network}", rows.rows, ranks, sorted(params.evaluate.topk)))
    return found


def fusion_of(name: str, rows: pd.DataFrame, ranks: np.ndarray, topk: list[int]) -> Fusion:
    """Return a fusion from the ranks of the right gloss, weights x rows; weights are chosen at the least top-K."""
    right = pd.DataFrame((ranks <= topk[0]).T, columns=WEIGHTS).groupby([rows["seed"], rows["test_source"]], sort=False)
    accuracies = right.mean()
    chosen = {cell: best_elsewhere(accuracies.loc[cell[0]], cell[1]) for cell in accuracies.index}
    places = [WEIGHTS.index(chosen[cell]) for cell in zip(rows["seed"], rows["test_source"], strict=True)]
    picked = ranks[places, np.arange(len(rows))]
    by_source = accuracies.groupby(level=1, sort=False).mean()
    table = by_source.assign(chosen=pd.Series(picked <= topk[0]).groupby(rows["test_source"]).mean())
    table.loc[MEAN] = table.mean()
    table["weights"] = [
        ", ".join(f"{weight:g}" for weight in sorted({w for (_, test), w in chosen.items() if test == source}))
        for source in table.index
    ]
    table = table.rename_axis("test_source").reset_index().rename(columns={w: f"{w:g}" for w in WEIGHTS})
    table.insert(0, "fusion", name)
    return Fusion(name, counted_cells(rows.assign(rank=picked), topk), table)


def best_elsewhere(accuracies: pd.DataFrame, test_source: str) -> float:
    """Return the weight (a column) with the best mean over all test sources (rows) but one; of equal ones the least."""
    others = accuracies.drop(index=test_source).mean().round(9)
    return WEIGHTS[int(others.to_numpy().argmax())]


def z_scores(scores: np.ndarray) -> np.ndarray:
    """Return scores N x K less each row's mean, over its deviation; 0 where all are equal, NEVER where one is -inf."""
    possible = np.isfinite(scores)
    known = np.where(possible, scores, np.nan).astype(float)
    spread = np.nanstd(known, axis=1, keepdims=True)
    centred = known - np.nanmean(known, axis=1, keepdims=True)
    return np.where(possible, centred / np.where(spread > 0, spread, 1), NEVER)


def ranks_of(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the place N of the right class among scores N x K, 1 for the best; ties by index."""
    own = scores[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    return np.asarray(1 + ((scores > own) | ((scores == own) & earlier)).sum(axis=1))


def fusion_cells(fusions: Sequence[Fusion]) -> list[list[str]]:
    """Return the accuracies in percent as cells: a line of names, then a line a fusion and test source."""
    lines = [["fusion", "test source", *(f"weight {weight:g}" for weight in WEIGHTS), "chosen", "its weight"]]
    for one in fusions:
        for row in one.table.itertuples(index=False, name=None):
            lines.append([row[0], row[1], *(f"{100 * value:.1f}" for value in row[2:-1]), row[-1]])
    return lines if fusions else []


def fusion_section(fusions: Sequence[Fusion], k: int) -> str:
    """Return the fusions as Markdown, empty without one."""
    if not fusions:
        return ""
    return "\n".join([f"# Fusions\n\n{FUSED} (top-{k}, `fusions.csv`).\n", *markdown(fusion_cells(fusions)), ""])
