"""The noises of a change, against simulated studies whose noises are known."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from calse.report.comparisons import noises
from calse.report.statistics import Hits, accuracy, gloss_differences, sign_flip
from calse.report.table import comparison_table, counted_cells
from calse.report.variance import MIN_TRAININGS, Components, change_p, components, mean_components, needed


def study(rng, glosses=60, sources=3, trainings=5, spreads=(0.0, 0.0, 0.0, 0.0), effect=0.0):
    """Two recipes whose hits have a probability of 0.5 and normal deviations: of the first by gloss, gloss in a source
    and source, of both by training.
    """
    gloss, by_source, source, training = spreads
    own = effect + rng.normal(0, gloss, glosses)
    cells = [], []
    for _ in range(sources):
        shift = own + rng.normal(0, by_source, glosses) + rng.normal(0, source)
        for cell, base in zip(cells, (shift, np.zeros(glosses)), strict=True):
            chance = 0.5 + base[:, None] + rng.normal(0, training, trainings)
            cell.append(Hits(rng.binomial(1, np.clip(chance, 0, 1)), np.ones(glosses, int)))
    return cells


def test_known_components_are_recovered():
    rng, spreads = np.random.default_rng(1), (0.2, 0.15, 0.1, 0.08)
    changes = [study(rng, spreads=spreads) for _ in range(400)]
    found = mean_components([components(*change) for change in changes])
    known = Components(0.2**2 / 60, 0.15**2 / 60, 0.1**2, 2 * 0.08**2, 2 * (0.25 - 0.04) / 60)
    for name in ("glosses", "sources", "trainings", "rest"):
        assert getattr(found, name) == pytest.approx(getattr(known, name), rel=0.2), name
    assert found.gloss_by_source == pytest.approx(known.gloss_by_source, rel=0.5), "a small one beside the rest"
    spread = np.var([accuracy(ours) - accuracy(theirs) for ours, theirs in changes])
    assert sum(found.of(3, 5)) == pytest.approx(spread, rel=0.2), "and they add up to what the change does"


@pytest.mark.parametrize(
    ("sources", "spreads", "at_most"),
    [
        (1, (0.1, 0, 0, 0.1), 0.05),
        (3, (0.1, 0.1, 0, 0.1), 0.05),
        (3, (0, 0, 0, 0.03), 0.05),
        (3, (0.1, 0.1, 0.1, 0.05), 0.07),  # three sources that differ tell little of how much they do
    ],
)
def test_recipes_equal_but_for_their_seeds_differ_in_at_most_one_study_of_twenty(sources, spreads, at_most):
    rng = np.random.default_rng(2)
    found = [change_p(*study(rng, sources=sources, spreads=spreads)) for _ in range(1000)]
    assert np.mean(np.array(found) < 0.05) <= at_most


def test_glosses_alone_would_call_a_seed_effect_a_change():
    rng = np.random.default_rng(3)
    changes = [study(rng, spreads=(0.1, 0, 0, 0.1)) for _ in range(300)]
    assert np.mean([sign_flip(gloss_differences(*change)) < 0.05 for change in changes]) > 0.2


def test_a_real_change_is_found():
    rng = np.random.default_rng(4)
    changes = [study(rng, glosses=100, spreads=(0.1, 0.1, 0, 0.02), effect=0.2) for _ in range(100)]
    assert np.mean([change_p(*change) < 0.05 for change in changes]) > 0.9


def test_what_one_training_or_one_source_cannot_tell_is_not_said():
    rng = np.random.default_rng(5)
    one = components(*study(rng, trainings=1))
    assert np.isnan([one.trainings, one.rest]).all()
    assert np.isnan(change_p(*study(rng, trainings=1)))
    single = components(*study(rng, sources=1))
    assert np.isnan([single.sources, single.gloss_by_source]).all()
    assert sum(single.of(1, 5)) > 0
    same = study(rng)[0]
    assert components(same, same).of(3, 5)[2] == 0
    assert change_p(same, same) == 1


def test_the_design_that_power_needs_has_that_power():
    """By scipy's normal distribution: with so many runs the change's z lies beyond 1.96 in 80 % of studies."""
    parts = Components(0.0001, 0.0002, 0.0005, 0.002, 0.004)
    sources, trainings = needed(parts, 0.05)
    assert trainings >= MIN_TRAININGS
    spread = np.sqrt(sum(parts.of(sources, trainings)))
    assert stats.norm.sf(1.96 - 0.05 / spread) >= 0.8
    assert stats.norm.sf(1.96 - 0.05 / np.sqrt(sum(parts.of(sources - 1, trainings)))) < 0.8
    assert needed(Components(0.01, 0, 0, 0.001, 0.001), 0.05) is None


def rows(rng, trainings, sources=("SACU", "STS", "DILSE")):
    for place, source in enumerate(sources):
        for name, cell in zip(
            ("AF1", "Baseline"), study(rng, 30, len(sources), trainings, (0.1, 0, 0, 0.1)), strict=True
        ):
            for (gloss, seed), hit in np.ndenumerate(cell[place].hits):
                yield {"recipe": name, "test_source": source, "test_set": "filmed", "seed": seed, "rank": 2 - hit} | {
                    "clip": f"{source}-{gloss}", "gloss": f"G{gloss}"
                }  # fmt: skip


@pytest.mark.parametrize(
    ("trainings", "sources", "told"),
    [
        (5, ("SACU", "STS"), r"glosses carry \d+ %, trainings \d+ %, test sources \d+ %. To see \+5 points with 80 %"),
        (1, ("SACU", "STS"), r"test sources and trainings together \d+ %: one training a cell"),
        (5, ("SACU",), r"glosses carry \d+ % and trainings \d+ %\.$"),
        (1, ("SACU",), r"^$"),
    ],
)
def test_the_noises_are_stated_as_far_as_they_are_known(trainings, sources, told):
    cells = counted_cells(pd.DataFrame(rows(np.random.default_rng(6), trainings, sources)), (1,))
    assert re.search(told, noises(cells))


def test_with_five_trainings_p_has_all_noises_in_it():
    cells = counted_cells(pd.DataFrame(rows(np.random.default_rng(7), 5)), (1,))
    for row in comparison_table(cells).to_dict("records"):
        own, baseline = (cells[recipe, row["test_source"], 1] for recipe in ("AF1", "Baseline"))
        assert row["p"] == max(sign_flip(gloss_differences(own, baseline)), change_p(own, baseline))
