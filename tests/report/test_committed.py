"""How far a rebuilt table is from the committed one."""

import re

import numpy as np
import pandas as pd

from calse.report.committed import distances

CLIPS, RECIPES, SOURCES = 14, 8, 3


def table(right: np.ndarray, seed_sd: float | None = None) -> str:
    """The CSV of a recogniser's accuracies, from which of its CLIPS clips each of RECIPES x SOURCES got right."""
    rows = [
        ("i3d", f"R{recipe}", f"S{source}", 1, right[recipe, source].mean(), CLIPS, 1, seed_sd)
        for recipe in range(RECIPES)
        for source in range(SOURCES)
    ]
    rows += [("i3d", f"R{recipe}", "mean", 1, right[recipe].mean(), 42, 1, seed_sd) for recipe in range(RECIPES)]
    names = ["recogniser", "recipe", "test_source", "k", "accuracy", "clips", "seeds", "seed_sd"]
    return pd.DataFrame(rows, columns=names).to_csv(index=False)


def trained(rng: np.random.Generator, probabilities: np.ndarray) -> np.ndarray:
    """What one training of every cell gets right, when each clip is right by its own chance."""
    return rng.random(probabilities.shape) < probabilities


def test_another_training_of_every_cell_is_nearly_always_within_tolerance():
    rng = np.random.default_rng(1)
    probabilities = rng.beta(1, 1, (RECIPES, SOURCES, CLIPS))  # most clips are neither sure nor hopeless: the hard case
    lines = [distances(table(trained(rng, probabilities)), table(trained(rng, probabilities)))[0] for _ in range(200)]
    assert sum("OUT OF TOLERANCE" in line for line in lines) <= 10
    assert all("points apart" in line for line in lines)


def test_a_worse_study_and_a_single_worse_cell_are_out_of_tolerance():
    rng = np.random.default_rng(2)
    probabilities = np.full((RECIPES, SOURCES, CLIPS), 0.9)
    committed = trained(rng, probabilities)
    everywhere = distances(table(trained(rng, probabilities - 0.2)), table(committed))[0]
    assert "OUT OF TOLERANCE" in everywhere
    broken = committed.copy()
    broken[2, 1] = False
    (line,) = distances(table(broken), table(committed))
    assert re.search(r"furthest R2 S1 \(\d+\.\d, tolerance \d+\.\d\): OUT OF TOLERANCE", line)


def test_seeds_that_differ_widen_the_tolerance():
    right = trained(np.random.default_rng(3), np.full((RECIPES, SOURCES, CLIPS), 0.5))
    narrow, wide = (
        float(re.search(r"apart, tolerance ([\d.]+)", distances(table(~right, sd), table(right, sd))[0])[1])
        for sd in (None, 0.2)
    )
    assert wide > 1.5 * narrow


def test_equal_tables_and_tables_of_other_cells_say_so():
    right = np.ones((RECIPES, SOURCES, CLIPS))
    assert distances(table(right), table(right)) == ["table is this one, to the byte"]
    other = table(right).replace("R7", "R8")
    assert distances(table(right), other) == ["table has other cells"]
