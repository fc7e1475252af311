"""The losses against their formulas, and the scores that rank glosses."""

import math

import numpy as np
import pytest
import torch

from calse.recognition.training.losses import (
    bce_localisation,
    clip_scores,
    probabilities,
    stretch_matrix,
    training_loss,
)
from calse.recognition.training.plateau import class_prior_loss, collapse_warning, plateau_warning

LOGITS = torch.tensor([[[1.0, 3.0, -1.0], [0.5, -2.0, 0.0], [0.0, 0.25, 0.5]]])  # 1 clip, 3 glosses, 3 moments


def plain_bce(logit: float, truth: float) -> float:
    chance = 1 / (1 + math.exp(-logit))
    return -truth * math.log(chance) - (1 - truth) * math.log(1 - chance)


def test_bce_localisation_is_half_every_frame_and_half_the_maximum():
    stretched = np.stack([np.interp([-0.125, 0.625, 1.375, 2.125], [0, 1, 2], row) for row in LOGITS[0].numpy()])
    truth = [0.0, 1.0, 0.0]
    frames = np.mean([[plain_bce(logit, y) for logit in row] for row, y in zip(stretched, truth, strict=True)])
    whole = np.mean([plain_bce(row.max(), y) for row, y in zip(stretched, truth, strict=True)])
    assert bce_localisation(LOGITS, torch.tensor([1]), 4).item() == pytest.approx(0.5 * frames + 0.5 * whole, rel=1e-5)


@pytest.mark.parametrize(("short", "long"), [(7, 64), (1, 16), (3, 32)])
def test_stretching_interpolates_between_the_centres_of_equal_parts(short: int, long: int):
    row = np.random.default_rng(0).normal(size=short)
    centres = (np.arange(long) + 0.5) * short / long - 0.5
    expected = np.interp(centres, np.arange(short), row)
    np.testing.assert_allclose(
        torch.from_numpy(row).float() @ stretch_matrix(short, long, torch.device("cpu")), expected, atol=1e-5
    )


def test_cross_entropy_reads_the_mean_over_time_and_smooths_labels():
    means = LOGITS.mean(dim=2)[0].double().numpy()
    log_probabilities = means - np.log(np.exp(means).sum())
    expected = -(0.9 * log_probabilities[0] + 0.1 * log_probabilities.mean())
    assert training_loss(LOGITS, torch.tensor([0]), "ce", 16, 0.1).item() == pytest.approx(expected, rel=1e-5)


def test_scores_are_pooled_as_the_loss_does():
    assert clip_scores(LOGITS, "ce").tolist() == [[1.0, -0.5, 0.25]]
    assert clip_scores(LOGITS, "bce-localisation").tolist() == [[3.0, 0.5, 0.5]]
    assert probabilities(torch.zeros(1, 4), "ce").tolist() == [[0.25] * 4]
    assert probabilities(torch.zeros(1, 4), "bce-localisation").tolist() == [[0.5] * 4]


@pytest.mark.parametrize(("classes", "expected"), [(100, 0.0560), (300, 0.0223), (1000, 0.0079), (2000, 0.0043)])
def test_guessing_by_class_frequency_costs_the_prior_entropy(classes: int, expected: float):
    assert class_prior_loss("bce-localisation", classes) == pytest.approx(expected, abs=5e-5)
    logits = torch.full((1, classes, 7), math.log(1 / (classes - 1)))
    assert bce_localisation(logits, torch.tensor([3]), 64).item() == pytest.approx(expected, abs=5e-5)


def test_a_loss_at_the_class_prior_is_warned_of():
    assert class_prior_loss("ce", 14) == pytest.approx(2.6391, abs=1e-4)
    assert "no better than guessing" in (plateau_warning("ce", 2.63, 14) or "")
    assert "no better than guessing" in (plateau_warning("bce-localisation", 0.0561, 100) or "")
    assert plateau_warning("ce", 2.3, 14) is None
    assert plateau_warning("bce-localisation", 0.04, 100) is None


def test_a_training_is_within_chance_where_guessing_reaches_it_in_one_of_twenty():
    """Binomial(70, 1/14) has 5 as its mean; 9 or more come in 6.1 %, 10 or more in 2.7 % of draws."""
    assert "right about 0 % of its 70 training clips" in (collapse_warning(0.0, 70, 14) or "")
    assert collapse_warning(9 / 70, 70, 14)
    assert collapse_warning(10 / 70, 70, 14) is None
    assert collapse_warning(1.0, 6, 1), "a single gloss is guessed right always"
