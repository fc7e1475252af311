"""Statistics against textbook values and against scipy's own, where it has them."""

from math import comb

import numpy as np
import pytest
from scipy import stats

from calse.report.statistics import (
    Hits,
    accuracy,
    difference_interval,
    gloss_differences,
    holm,
    interval,
    mcnemar,
    seed_sd,
    sign_flip,
    zero_bound,
)


def one_answer(*right):
    """One clip a gloss, one training."""
    return [Hits(np.array(right).reshape(-1, 1), np.ones(len(right), int))]


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (5, 1, 14 / 64),  # 2 (1 + 6) / 2^6, by hand
        (12, 0, 2 / 4096),
        (4, 16, 0.011818),  # Siegel and Castellan's sign-test table: 4 of 20 has 0.006 on one side
        (3, 3, 1.0),
        (0, 0, 1.0),
    ],
)
def test_mcnemar_by_hand_and_the_sign_flip_agrees_with_it(gained, lost, p):
    assert mcnemar(gained, lost) == pytest.approx(p, abs=1e-6)
    differences = np.array([1] * gained + [-1] * lost + [0] * 7)
    assert sign_flip(differences) == pytest.approx(mcnemar(gained, lost), abs=1e-12)


def test_sign_flips_agree_with_all_flips_counted():
    differences = np.array([3, -1, 4, 1, -5, 9, 2, 6, 0, 2])
    exact = stats.permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(differences) == pytest.approx(exact.pvalue, abs=1e-12)
    assert sign_flip(7 * differences) == sign_flip(-differences) == sign_flip(differences)


def test_fishers_darwin_example():
    """Fisher (1935): 15 pairs of crossed and self-fertilised maize, in eighths of an inch; 1726 of 2^15 flips."""
    darwin = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])
    assert sign_flip(darwin) == pytest.approx(1726 / 2**15, abs=1e-12)


def test_holm_by_hand():
    """Holm's own procedure: the smallest times 4, the next times 3, ...; never falling, never above 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]).tolist() == [1, 1]
    assert holm([0.2]).tolist() == [0.2]
    assert holm([]).tolist() == []


def test_the_bound_of_what_never_happened_is_clopper_and_pearsons():
    assert zero_bound(10) == pytest.approx(0.30850, abs=1e-5)
    assert zero_bound(100) == pytest.approx(1 - 0.025**0.01)


def test_the_interval_of_independent_glosses_is_the_binomials():
    """Redrawing n glosses with m right is drawing from Binomial(n, m / n): its quantiles are known."""
    low, high = interval(one_answer(*[1] * 35, *[0] * 65))
    assert (low, high) == pytest.approx(stats.binom(100, 0.35).ppf([0.025, 0.975]) / 100, abs=0.0101)


def test_clips_of_one_gloss_count_as_one_observation():
    rng = np.random.default_rng(3)
    right = rng.integers(0, 2, 60)
    alone = interval(one_answer(*right))
    repeated = interval([Hits(5 * right.reshape(-1, 1), np.full(60, 5))])
    sources = interval(one_answer(*right) * 3)
    assert alone == repeated == sources


def test_the_paired_bootstrap_agrees_with_scipys():
    rng = np.random.default_rng(7)
    first, second = rng.integers(0, 2, 80), rng.integers(0, 2, 80) | rng.integers(0, 2, 80)
    ours = difference_interval(one_answer(*second), one_answer(*first))
    theirs = stats.bootstrap((second - first,), np.mean, method="percentile", n_resamples=20_000, rng=rng)
    assert ours == pytest.approx(theirs.confidence_interval, abs=0.015)
    related = difference_interval(one_answer(*(first | second)), one_answer(*first))
    assert related[1] - related[0] < ours[1] - ours[0], "what both sides share cancels"


def test_intervals_of_a_known_process_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(100):
        low, high = interval([Hits(rng.binomial(1, 0.4, (40, 1)), np.ones(40, int))])
        held += low <= 0.4 <= high
    assert 88 <= held <= 99


def test_trainings_that_disagree_widen_the_interval():
    """Glosses alike, trainings apart: only drawing trainings anew can see it."""
    hits = np.zeros((50, 4), int)
    hits[:, 0], hits[:40, 1], hits[10:, 2], hits[:10, 3] = 1, 1, 1, 1
    steady = np.repeat([[1], [0]], [35, 15], axis=0) * np.ones(4, int)
    apart, alike = ([Hits(rows, np.ones(50, int))] for rows in (hits, steady))
    assert accuracy(apart) == accuracy(alike) == 0.7
    assert np.diff(interval(apart)) > 1.5 * np.diff(interval(alike))


def test_the_spread_over_seeds_by_hand():
    hits = [Hits(np.array([[1, 0, 1], [1, 1, 1]]), np.ones(2, int)), Hits(np.array([[0, 0, 1], [1, 1, 1]]), np.ones(2))]
    assert seed_sd(hits[:1]) == pytest.approx(np.sqrt(1 / 12))  # of 1, 0.5, 1
    assert seed_sd(hits) == pytest.approx(np.std([0.75, 0.5, 1], ddof=1))
    assert np.isnan(seed_sd(one_answer(1, 0)))


def test_nothing_wrong_and_nothing_changed_still_has_an_interval():
    perfect = one_answer(*[1] * 14)
    assert interval(perfect) == (pytest.approx(1 - zero_bound(14)), 1.0)
    assert interval(one_answer(*[0] * 14)) == (0.0, zero_bound(14))
    assert difference_interval(perfect, perfect) == (-zero_bound(14), zero_bound(14))


def test_unequal_numbers_of_trainings_are_compared_by_their_means():
    three, one = [Hits(np.array([[3 - 1, 1, 0][:1] * 3]), np.array([2]))], [Hits(np.array([[1]]), np.array([2]))]
    assert gloss_differences(three, one).tolist() == [6 * 1 - 1 * 3]


def test_a_gloss_that_a_source_lacks_does_no_harm():
    part = Hits(np.array([[1], [0], [0]]), np.array([1, 1, 0]))
    low, high = interval([part])
    assert (accuracy([part]), low, high) == (0.5, 0.0, 1.0)
    assert difference_interval([part], [part]) == (-zero_bound(2), zero_bound(2))


def test_the_same_hits_give_the_same_digits():
    cell, base = one_answer(1, 0, 1, 1, 0, 1, 0), one_answer(0, 0, 1, 0, 0, 1, 1)
    assert difference_interval(cell, base) == difference_interval(cell, base)
    assert sign_flip(gloss_differences(cell, base)) == (2 * (comb(3, 0) + comb(3, 1)) / 2**3)
