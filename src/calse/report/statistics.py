"""How much of a difference could be chance: pure functions of counted hits.

The unit is the gloss: the clips of a gloss, whatever their source and however many trainings answered them, stand or
fall together. Counting each as an observation of its own would promise more certainty than a hundred glosses can give.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import gcd

import numpy as np
from scipy.stats import binomtest

LEVEL = 0.95
RESAMPLES = 10_000
SEED = 1974


@dataclass(frozen=True)
class Hits:
    """How often each gloss was right on one test source.

    `hits` is G x S int: right answers per gloss and training; `clips` is G int: clips per gloss, none allowed.
    """

    hits: np.ndarray
    clips: np.ndarray

    @property
    def trainings(self) -> int:
        """The number of trainings, one a seed."""
        return int(self.hits.shape[1])


# What stands in one cell of the table: one source's hits, or several sources' for their plain mean.
Cell = Sequence[Hits]


def accuracy(cell: Cell) -> float:
    """Return the accuracy of a cell, over clips and trainings; over several sources their plain mean."""
    return float(np.mean([part.hits.sum() / (part.clips.sum() * part.trainings) for part in cell]))


def seed_sd(cell: Cell) -> float:
    """Return the standard deviation of the accuracy between trainings (n - 1); nan with a single one."""
    per_seed = np.mean([part.hits.sum(axis=0) / part.clips.sum() for part in cell], axis=0)
    return float(np.std(per_seed, ddof=1)) if len(per_seed) > 1 else float("nan")


def interval(cell: Cell) -> tuple[float, float]:
    """Return the 95 % interval of a cell's accuracy: percentiles of a bootstrap clustered by gloss.

    With several trainings these are drawn anew too (Owen, 2007, the pigeonhole bootstrap). Where every answer is
    right, or every one wrong, no redrawing differs; the exact binomial bound over glosses takes its place.
    """
    value = accuracy(cell)
    if value in (0, 1):
        open_side = zero_bound(glosses_of(cell))
        return (1 - open_side, 1.0) if value else (0.0, open_side)
    return _percentiles(_redrawn(cell, 0))


def difference_interval(cell: Cell, baseline: Cell) -> tuple[float, float]:
    """Return the 95 % interval of accuracy minus the baseline's on the same clips: a paired bootstrap.

    Both sides see the same glosses redrawn, each redraws trainings of its own. Where no answer differs, the bound is
    what a change never seen in so many glosses can still be.
    """
    differences = _redrawn(cell, 0) - _redrawn(baseline, 1)
    if not np.nan_to_num(differences).any():
        bound = zero_bound(glosses_of(cell))
        return -bound, bound
    return _percentiles(differences)


def _redrawn(cell: Cell, stream: int) -> np.ndarray:
    """Return the accuracies of redrawn cells: always the same glosses, of each `stream` other trainings."""
    chosen = _redrawn_glosses(len(cell[0].clips))
    rng = np.random.default_rng([SEED, stream])
    values = np.zeros(RESAMPLES)
    for part in cell:
        seeds = rng.multinomial(part.trainings, np.full(part.trainings, 1 / part.trainings), RESAMPLES)
        drawn = chosen @ np.column_stack([part.hits, part.clips]).astype(float)
        with np.errstate(invalid="ignore"):  # a redrawn table without a single clip says nothing
            values += (drawn[:, :-1] * seeds).sum(axis=1) / (drawn[:, -1] * part.trainings)
    return values / len(cell)


@cache
def _redrawn_glosses(glosses: int) -> np.ndarray:
    """Return how often each gloss is drawn, resamples x glosses."""
    return np.random.default_rng(SEED).multinomial(glosses, np.full(glosses, 1 / glosses), RESAMPLES).astype(float)


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of the 95 % interval of redrawn values."""
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    # Rounded: with the errors of a sum an end that is 0 could be 1e-17, and an interval without 0 is a finding.
    return round(float(low), 9), round(float(high), 9)


def zero_bound(count: int) -> float:
    """Return the largest share that an event can have which never happened in `count` trials (Clopper-Pearson)."""
    return float(binomtest(0, count).proportion_ci(LEVEL, method="exact").high)


def glosses_of(cell: Cell) -> int:
    """Return how many glosses have a clip in a cell."""
    return int(np.any([part.clips > 0 for part in cell], axis=0).sum())


def gloss_differences(cell: Cell, baseline: Cell) -> np.ndarray:
    """Return, G int, how many more hits a gloss has than under the baseline, both scaled to equal trainings.

    Over several sources every clip counts the same, which is the plain mean's weight where they have equally many.
    """
    differences = np.zeros(len(cell[0].clips), np.int64)
    for part, base in zip(cell, baseline, strict=True):
        differences += part.hits.sum(axis=1) * base.trainings - base.hits.sum(axis=1) * part.trainings
    return differences


def sign_flip(differences: np.ndarray) -> float:
    """Return the two-sided p of paired integer differences: had each as well been its opposite (Fisher, 1935)?

    Exact, by convolution. Differences of -1, 0 and 1 alone make it McNemar's exact test. It takes the trainings that
    gave the differences as they are: what others would have given is not in it, however many there were.
    """
    nonzero = np.abs(differences[differences != 0])
    if not len(nonzero):
        return 1.0
    sizes = nonzero // gcd(*nonzero.tolist())
    probabilities = np.ones(1)  # of every sum, from the least to the greatest
    for size in sizes:
        flipped = np.zeros(len(probabilities) + 2 * size)
        flipped[: len(probabilities)] += probabilities / 2
        flipped[2 * size :] += probabilities / 2
        probabilities = flipped
    sums = np.arange(len(probabilities)) - sizes.sum()
    observed = abs(differences.sum()) // gcd(*nonzero.tolist())
    return float(min(1.0, probabilities[np.abs(sums) >= observed].sum()))


def mcnemar(gained: int, lost: int) -> float:
    """Return the exact two-sided p of McNemar's test (1947), from the clips that changed sides alone."""
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def holm(values: Sequence[float]) -> np.ndarray:
    """Return the p values corrected for their number (Holm, 1979), in their own order."""
    ordered = np.argsort(values, kind="stable")
    steps = np.asarray(values)[ordered] * np.arange(len(ordered), 0, -1)
    corrected = np.empty(len(ordered))
    corrected[ordered] = np.minimum(1, np.maximum.accumulate(steps))
    return corrected
