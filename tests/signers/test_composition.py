"""The vocabulary of 1,000: always the same, every gloss apart from every other, minimal pairs in all six parameters."""

from collections import Counter

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from signers.composition import APART, PAIR_EVERY, Composition, compositions, differing
from signers.face import BROWS, MOUTHS
from signers.gloss import Gloss
from signers.glosses import glosses
from signers.take import between_keys, mouthing

COUNT = 1000
LEAST = 0.65  # of `described`, root mean square: as docs/corpus.md states


@pytest.fixture(scope="module")
def composed() -> list[Composition]:
    return compositions(COUNT)


def described(gloss: Gloss) -> np.ndarray:
    """Both hands and the face at nine moments: 1 is the width of a hand (8 cm), 45 degrees or a whole viseme."""
    moments = []
    for progress in np.linspace(0, 1, 9):
        for hand in between_keys(gloss.keys, progress):
            axes = [axis / np.linalg.norm(axis) / 0.75 for axis in (hand.direction, hand.palm)]
            moments.append(np.concatenate([hand.wrist / 0.08, *axes, hand.shape / 45]))
        weights = MOUTHS[mouthing(gloss.mouth, progress)[0]] | BROWS[gloss.brows]
        units = sorted({unit for units in [*MOUTHS.values(), *BROWS.values()] for unit in units})
        moments.append(np.array([weights.get(unit, 0.0) for unit in units]))
    return np.concatenate(moments) / 3


def test_a_composition_stays_what_it_is_however_many_are_asked_for(composed: list[Composition]) -> None:
    assert compositions(130) == composed[:130]
    assert compositions(0) == []


def test_any_two_differ_in_two_parameters_but_for_minimal_pairs(composed: list[Composition]) -> None:
    pairs = Counter()
    for number, one in enumerate(composed):
        near = [other for other in composed[:number] if differing(one, other) < APART]
        assert len(near) == (1 if number and number % PAIR_EVERY == 0 else 0)
        for other in near:
            assert differing(one, other) == 1
            pairs[next((name for name, a, b in zip(one._fields, one, other, strict=True) if a != b))] += 1
    assert min(pairs[name] for name in Composition._fields) >= 10


def test_every_value_of_every_parameter_is_used_about_as_often(composed: list[Composition]) -> None:
    for name in ("shape", "place", "orientation", "movement"):
        uses = Counter(getattr(one, name) for one in composed).values()
        assert max(uses) < 2.5 * min(uses), name


def test_no_two_glosses_look_alike() -> None:
    all_of_them = glosses(COUNT)
    forms = np.stack([described(gloss) for gloss in all_of_them])
    assert pdist(forms).min() > LEAST


def test_every_gloss_moves() -> None:
    for gloss in glosses(COUNT):
        right = np.stack(
            [np.concatenate([key.right.wrist / 0.08, *key.right[1:3], key.right.shape / 45]) for key in gloss.keys]
        )
        assert np.ptp(right, axis=0).max() > 0.5, gloss.name


def test_two_hands_alike_keep_to_their_own_sides(composed: list[Composition]) -> None:
    alike = [one for one in composed if one.hands in ("both", "turn")]
    assert len(alike) > 200
    for one in alike:
        assert min(key.right.wrist[0] for key in one.gloss("").keys) > -0.03, one
