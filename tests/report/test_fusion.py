"""Fusions of two recognisers against values counted by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from calse.config.params import read_params
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.evaluation.measures import rank_of
from calse.report.fusion import WEIGHTS, fusion_of, fusion_section, fusions_of, ranks_of, z_scores
from calse.runtime.errors import CalseError

PRESET = read_params(Path("presets/synthetic.yaml"))
SOURCES, GLOSSES = ("SACU", "STS", "DILSE"), ["AÑO", "NO", "SUR"]
PARAMS = replace(PRESET, recipes={"Baseline": PRESET.recipes["Baseline"]}, evaluate=replace(PRESET.evaluate, topk=(1,)))
COLUMNS = ["test_source", "seed", "test_set", "clip", "gloss", "rank", "gloss_1"]


def written(layout, recogniser, seeds, score, sources=SOURCES):
    """Write a recogniser's predictions, a clip a source and gloss; return their ranks."""
    rows, scores = [], []
    for source in sources:
        for seed in seeds:
            for number, gloss in enumerate(GLOSSES):
                scores.append(score(source, seed, number))
                head = {"test_source": source, "seed": seed, "test_set": "filmed", "clip": f"{source}-{gloss}"}
                best = GLOSSES[int(np.argmax(scores[-1]))]
                rows.append(head | {"gloss": gloss, "rank": rank_of(number, scores[-1]), "gloss_1": best})
    folder = layout.metrics("evaluate") / recogniser / "Baseline"
    write_rows(folder / "predictions.csv", COLUMNS, rows)
    write_rows(folder / "scores.csv", GLOSSES, [dict(zip(GLOSSES, row, strict=True)) for row in scores])
    return [row["rank"] for row in rows]


def random_scores(seed_of_all):
    rng = np.random.default_rng(seed_of_all)
    return lambda source, seed, number: rng.normal(size=3)


def test_a_weight_of_zero_is_the_recogniser_alone_and_every_seed_of_a_network_meets_its_one_training(tmp_path):
    layout = Layout(tmp_path)
    alone = written(layout, "landmarks", [1], random_scores(1))
    written(layout, "i3d", [1, 5], random_scores(2))
    (fusion,) = fusions_of(PARAMS, layout)
    assert fusion.name == "landmarks + i3d"
    by_source = np.mean(np.reshape(alone, (3, 3)) == 1, axis=1)
    assert fusion.table["0"].tolist() == pytest.approx([*by_source, by_source.mean()])
    assert {part.trainings for part in fusion.cells["Baseline", "mean", 1]} == {2}
    assert "`fusions.csv`" in fusion_section([fusion], 1)


def test_the_weight_for_a_test_source_is_the_best_of_the_others_whatever_its_own_clips_say():
    rows = pd.DataFrame({"test_source": np.repeat(SOURCES, 2), "seed": 1, "test_set": "filmed", "recipe": "Baseline"})
    rows = rows.assign(clip=[str(place) for place in range(6)], gloss=["AÑO", "NO"] * 3)
    right = np.zeros((len(WEIGHTS), 6), bool)
    right[3, :2], right[1, 2:4], right[1, 4] = True, True, True  # SACU wants weight 1, STS and DILSE want 0.25
    table = fusion_of("both", rows, np.where(right, 1, 2), [1]).table.set_index("test_source")
    assert table["weights"].to_dict() == {"SACU": "0.25", "STS": "1", "DILSE": "0.25", "mean": ""}
    assert table["chosen"].to_dict() == pytest.approx({"SACU": 0, "STS": 0, "DILSE": 0.5, "mean": 1 / 6})
    right[:, :2] = ~right[:, :2]
    again = fusion_of("both", rows, np.where(right, 1, 2), [1]).table.set_index("test_source")
    assert again.loc["SACU", "weights"] == "0.25"


def test_of_equally_good_weights_the_least_is_taken():
    rows = pd.DataFrame({"test_source": ["SACU", "STS"], "seed": 1, "test_set": "filmed", "recipe": "Baseline"})
    rows = rows.assign(clip=["a", "b"], gloss="NO")
    assert fusion_of("both", rows, np.ones((len(WEIGHTS), 2), int), [1]).table["weights"].tolist() == ["0", "0", ""]


def test_z_scores_keep_the_order_leave_out_what_cannot_be_and_say_nothing_of_equal_scores():
    scores = np.array([[3, -np.inf, 1, 2], [4, 4, 4, 4]])
    deviation = np.sqrt(2 / 3)
    np.testing.assert_allclose(z_scores(scores)[0], [1 / deviation, -1e6, -1 / deviation, 0], atol=1e-12)
    assert z_scores(scores)[1].tolist() == [0] * 4
    assert ranks_of(z_scores(scores), np.array([1, 2])).tolist() == [4, 3]
    labels, several = np.arange(4), np.random.default_rng(0).integers(0, 3, (4, 4))
    assert ranks_of(several, labels).tolist() == [rank_of(*pair) for pair in zip(labels, several, strict=True)]


def test_recognisers_tested_on_other_clips_are_not_fused_and_one_test_source_cannot_choose(tmp_path):
    layout = Layout(tmp_path)
    written(layout, "landmarks", [1], random_scores(1), SOURCES[:2])
    written(layout, "i3d", [1], random_scores(2))
    (layout.metrics("evaluate") / "landmarks/Baseline/scores.csv").write_text("AÑO,NO,SUR\n1,-inf,2\n" * 2)
    with pytest.raises(
        CalseError, match=r"scores\.csv has not the clips of predictions\.csv; run: dvc repro evaluate@l"
    ):
        fusions_of(PARAMS, layout)
    written(layout, "landmarks", [1], random_scores(1), SOURCES[:2])
    with pytest.raises(CalseError, match="i3d, Baseline: its test clips or glosses are not those of landmarks"):
        fusions_of(PARAMS, layout)
    assert fusions_of(replace(PARAMS, test_sources=("SACU",)), layout) == []
    assert fusions_of(replace(PARAMS, train={"i3d": PARAMS.train["i3d"]}), layout) == []
