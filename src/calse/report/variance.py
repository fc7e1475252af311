"""What a change's uncertainty is made of: glosses, trainings and test sources. Pure functions of counted hits.

The accuracy of a recipe against one source is a mean over glosses and trainings. Its change against the baseline, which
has the same glosses and trainings of its own, is read as

    change[source, training, gloss] = effect + source + gloss + source x gloss + training + rest

with all but the effect random. The components are estimated from mean squares (Henderson's first method, 1953, for a
balanced design; one below zero counts as zero), so that the variance of the mean change over N sources with M trainings
each is `glosses + (gloss_by_source + sources) / N + (trainings + rest) / (N M)`.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from math import sqrt

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from calse.report.statistics import LEVEL, Cell, Hits, accuracy, glosses_of

MIN_TRAININGS = 5  # a side and source: with fewer the variance of trainings is hardly known
POWER = 0.8
MOST_SOURCES, MOST_TRAININGS = 30, 50


@dataclass(frozen=True)
class Components:
    """Variances of a change (shares of 1, squared) for one source and one training a side, over all the glosses.

    `glosses` is what the glosses do in every source alike, `gloss_by_source` what they do in one; `sources` and
    `trainings` move all glosses together; `rest` is a gloss in one training. With one source `sources` and
    `gloss_by_source` are nan, with one training a side `trainings` and `rest`: other components then hold them.
    """

    glosses: float
    gloss_by_source: float
    sources: float
    trainings: float
    rest: float

    def of(self, sources: float, trainings: float) -> tuple[float, float, float]:
        """Return what glosses, trainings and sources add to the variance of the mean over so many."""
        common, by_source, source, training, rest = (0.0 if np.isnan(part) else part for part in astuple(self))
        runs = sources * trainings
        return common + by_source / sources + rest / runs, training / runs, source / sources


def components(cell: Cell, baseline: Cell) -> Components:
    """Return the components of the change between two cells of the same glosses and sources."""
    glosses, sources, trainings = glosses_of(cell), len(cell), trainings_of(cell, baseline)
    training, rest = np.nan, np.nan
    if all(part.trainings > 1 for part in (*cell, *baseline)):
        training, rest = np.mean([_of_trainings(part, glosses) for part in (*cell, *baseline)], axis=0) * 2
    covariance = _gloss_covariance(cell, baseline)
    single = np.trace(covariance) / sources - np.nan_to_num(rest) / trainings
    if sources == 1:
        return Components(max(0.0, single), np.nan, np.nan, training, rest)
    shared = (covariance.sum() - np.trace(covariance)) / (sources * (sources - 1))
    between = _between_sources(cell, baseline) - np.nan_to_num(rest + training) / trainings - (single - shared)
    return Components(max(0.0, shared), max(0.0, single - shared), max(0.0, between), training, rest)


def trainings_of(cell: Cell, baseline: Cell) -> float:
    """Return how many trainings a side and source have: the number that if equal would give the same variance."""
    return 1 / float(np.mean([1 / part.trainings for part in (*cell, *baseline)]))


def _gloss_covariance(cell: Cell, baseline: Cell) -> np.ndarray:
    """Return S x S: the covariance between sources of their changes, if glosses were drawn anew."""
    present = np.any([part.clips > 0 for part in cell], axis=0)
    changes = [_by_gloss(ours) - _by_gloss(theirs) for ours, theirs in zip(cell, baseline, strict=True)]
    return np.asarray(np.atleast_2d(np.cov(np.array(changes)[:, present])) * present.sum())


def _by_gloss(part: Hits) -> np.ndarray:
    """Return G: what each gloss adds to the accuracy."""
    return np.asarray(part.hits.mean(axis=1) / part.clips.sum())


def _of_trainings(part: Hits, glosses: int) -> tuple[float, float]:
    """Return an accuracy's variance between trainings and by the rest, from mean squares of glosses x trainings."""
    shares = part.hits[part.clips > 0] / part.clips.sum()
    residual = shares - shares.mean(axis=1, keepdims=True) - shares.mean(axis=0) + shares.mean()
    rest = glosses * (residual**2).sum() / max(1, (len(shares) - 1) * (part.trainings - 1))
    return max(0.0, float(shares.sum(axis=0).var(ddof=1) - rest)), float(rest)


def _between_sources(cell: Cell, baseline: Cell) -> float:
    """Return the variance of the change between test sources."""
    changes = [accuracy([ours]) - accuracy([theirs]) for ours, theirs in zip(cell, baseline, strict=True)]
    return float(np.var(changes, ddof=1))


def change_p(cell: Cell, baseline: Cell) -> float:
    """Return the two-sided p of a change by all three noises: Student's t with Satterthwaite's (1946) freedom.

    The variance of several sources is that between them where it is more than glosses and trainings explain. The rest
    counts with the glosses and with the trainings: so equal recipes differ in at most 5 % of simulated studies. nan
    with one training a side.
    """
    parts, sources, trainings = components(cell, baseline), len(cell), trainings_of(cell, baseline)
    glosses, between_trainings, _ = parts.of(sources, trainings)
    between_trainings += parts.rest / (sources * trainings)
    noises = [(glosses, glosses_of(cell) - 1), (between_trainings, 2 * sources * (trainings - 1))]
    if sources > 1:
        between_sources = _between_sources(cell, baseline) / sources
        if parts.glosses + between_sources > glosses + between_trainings:
            noises = [(parts.glosses, glosses_of(cell) - 1), (between_sources, sources - 1)]
    variance = sum(part for part, _ in noises)
    change = accuracy(cell) - accuracy(baseline)
    if variance == 0:
        return 0.0 if change else 1.0
    freedom = variance**2 / sum(part**2 / max(1, own) for part, own in noises)
    return float(2 * student.sf(abs(change) / sqrt(variance), freedom))


def mean_components(found: Sequence[Components]) -> Components:
    """Return the mean of several changes' components: the estimate of each alone is too noisy."""
    return Components(*np.mean([astuple(one) for one in found], axis=0).tolist())


def needed(parts: Components, change: float) -> tuple[int, int] | None:
    """Return the sources and trainings, in the fewest runs, with which 80 % of studies would see a change (p < 0.05).

    None when no number of them suffices: then it takes more glosses. Normal quantiles; five trainings or more.
    """
    enough = (change / (norm.ppf((1 + LEVEL) / 2) + norm.ppf(POWER))) ** 2
    designs = [(n, m) for n in range(2, MOST_SOURCES + 1) for m in range(MIN_TRAININGS, MOST_TRAININGS + 1)]
    designs = [design for design in designs if sum(parts.of(*design)) <= enough]
    return min(designs, key=lambda design: (design[0] * design[1], design[0]), default=None)
