"""Accuracies against values counted by hand."""

import re
from fractions import Fraction

import numpy as np
import pytest

from calse.evaluation.measures import MEASURES, confusion, mean_of, measure, rank_of, summary, top_k, top_k_per_class
from calse.recognition.inference import best_first
from calse.runtime.errors import CalseError


def test_ties_are_ranked_by_index():
    scores = np.array([0.2, 0.7, 0.7, 0.1])
    assert best_first(scores).tolist() == [1, 2, 0, 3]
    assert [rank_of(label, scores) for label in range(4)] == [3, 1, 2, 4]


def test_per_instance_counts_clips_and_per_class_counts_glosses():
    ranks, glosses = [1, 2, 6, 1], ["A", "A", "A", "B"]
    assert top_k(ranks, 1) == 0.5
    assert top_k_per_class(ranks, glosses, 1) == (1 / 3 + 1) / 2
    assert top_k(ranks, 5) == 0.75
    assert top_k_per_class(ranks, glosses, 5) == (2 / 3 + 1) / 2


def test_summary_names_what_it_counts():
    rows = [{"rank": 1, "gloss": "AÑO", "gloss_1": "AÑO"}, {"rank": 4, "gloss": "NO", "gloss_1": "AÑO"}]
    assert summary(rows, (1, 5)) == {
        "clips": 2,
        "top1": 0.5,
        "top1_per_class": 0.5,
        "top5": 1.0,
        "top5_per_class": 1.0,
        "mrr": (1 + 1 / 4) / 2,
        "recall_at_10": 1.0,
    }


def test_recall_at_10_counts_the_ten_best_whatever_top_k_counts():
    rows = [{"rank": rank, "gloss": "NO", "gloss_1": "NO"} for rank in (1, 10, 11, 40)]
    assert summary(rows, (1,))["recall_at_10"] == 0.5


def test_the_mean_is_that_of_the_sources_and_counts_no_clips():
    one, other = ({"clips": clips, "top1": value, "seeds": {}} for clips, value in ((2, 0.5), (6, 1.0)))
    assert mean_of([one, other]) == {"top1": 0.75}


def test_the_mean_is_rounded_from_the_exact_sum_in_every_python():
    values = [0.870355, 0.954398, 0.702866, 0.199071]  # sum() gives another last digit before Python 3.12
    exact = float(sum(map(Fraction, values)))
    assert mean_of([{"top1": value} for value in values]) == {"top1": round(exact / 4, 6)}


@pytest.mark.parametrize("value", [float("nan"), None, "half", np.array([0.1, 0.2])], ids=repr)
def test_a_measure_that_gives_no_number_is_named(value, monkeypatch):
    monkeypatch.setattr("calse.evaluation.measures.MEASURES", dict(MEASURES))

    @measure
    def broken(predictions):
        return value

    line = f"evaluation/measures.py: broken gives {value}, not a finite number"
    with pytest.raises(CalseError, match=f"^{re.escape(line)}$"):
        summary([{"rank": 1, "gloss": "NO", "gloss_1": "NO"}], (1,))


def test_the_confusion_counts_pairs_of_truth_and_answer():
    pairs = [("NO", "NO"), ("NO", "AÑO"), ("NO", "AÑO"), ("AÑO", "AÑO")]
    counted = confusion([{"gloss": gloss, "gloss_1": answer} for gloss, answer in pairs])
    assert [tuple(row.values()) for row in counted] == [("AÑO", "AÑO", 1), ("NO", "AÑO", 2), ("NO", "NO", 1)]


@pytest.mark.parametrize("name", ["top1", "top12_per_class", "clips", "seeds", "mrr", "recall_at_10"])
def test_a_measure_may_not_take_the_name_of_another_result(name, monkeypatch):
    monkeypatch.setattr("calse.evaluation.measures.MEASURES", dict(MEASURES))

    def mine(predictions):
        return 1.0

    mine.__name__ = name
    with pytest.raises(CalseError, match=f"another result is called {name}; call this measure something else"):
        measure(mine)
