import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.markdown import Markdown

from calse.config.params import read_params
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.report.comparisons import outcome_section
from calse.report.measures import measure_section, measure_table, worst_rows
from calse.report.published import HARDLY, NOISE, PERHAPS, changed_clips, published_comparisons, read_published
from calse.report.read import read_predictions
from calse.report.report import headline, report, show
from calse.report.swaps import named_by
from calse.report.table import (
    accuracy_table,
    comparison_table,
    counted_cells,
    recogniser_table,
    to_markdown,
    with_steps,
)
from calse.runtime.errors import CalseError
from calse.runtime.files import write_json

PRESET = read_params(Path("presets/calse-100.yaml"))
PARAMS = replace(PRESET, train={"i3d": PRESET.train["i3d"]})
# A report in a third of the time.
FEW_RECIPES = {name: PARAMS.recipes[name] for name in ("Baseline", "AF1", "DF2")}
FEW = replace(PARAMS, recipes=FEW_RECIPES, test_sources=("SACU", "STS"))
COLUMNS = ["test_source", "seed", "test_set", "clip", "gloss", "rank", "gloss_1"]
CONFUSED = [{"gloss": "G0", "predicted": "G0", "clips": 1}]


def predictions(recipe, source, ranks, seed=1, test_set="filmed"):
    rows = [{"clip": f"{source}-{number}", "gloss": f"G{number}", "rank": rank} for number, rank in enumerate(ranks)]
    for row in rows:
        row["gloss_1"] = row["gloss"] if row["rank"] == 1 else "OTHER"
    return [row | {"recipe": recipe, "test_source": source, "seed": seed, "test_set": test_set} for row in rows]


def cells_of(rows, topk=(1,)):
    return counted_cells(pd.DataFrame(rows), topk)


def cell(table, recipe, source, k, column="accuracy"):
    row = table[(table.recipe == recipe) & (table.test_source == source) & (table.k == k)]
    return row[column].item()


def test_accuracies_means_and_deltas_by_hand():
    rows = predictions("Baseline", "SACU", [1, 2, 6, 11]) + predictions("Baseline", "STS", [1, 1])
    rows += predictions("AF1", "SACU", [1, 1, 5, 10]) + predictions("AF1", "STS", [2, 6])
    table = accuracy_table(cells_of(rows, (1, 5, 10)))
    assert [cell(table, "Baseline", "SACU", k) for k in (1, 5, 10)] == [0.25, 0.5, 0.75]
    assert [cell(table, "AF1", "SACU", k) for k in (1, 5, 10)] == [0.5, 0.75, 1.0]
    assert headline(table.assign(recogniser="i3d"), 1) == {"top1": {"i3d": {"Baseline": 0.625, "AF1": 0.25}}}
    assert [cell(table, "AF1", "SACU", k, "delta") for k in (1, 5, 10)] == [0.25, 0.25, 0.25]
    assert cell(table, "Baseline", "mean", 1) == (0.25 + 1) / 2
    assert cell(table, "AF1", "mean", 1, "delta") == 0.25 - 0.625
    assert "| AF1 | 50.0 (+25.0) | 0.0 (-100.0) | 25.0 (-37.5) |" in to_markdown(table, 1)
    assert "| AF1 | 100.0 (+25.0) | 100.0 (+0.0) |" in to_markdown(table, 10)


def test_seeds_are_pooled_and_counted():
    rows = predictions("Baseline", "SACU", [1, 2], seed=1) + predictions("Baseline", "SACU", [1, 1], seed=2)
    table = accuracy_table(cells_of(rows))
    assert cell(table, "Baseline", "SACU", 1) == 0.75
    assert (cell(table, "Baseline", "SACU", 1, "clips"), cell(table, "Baseline", "SACU", 1, "seeds")) == (2, 2)
    assert cell(table, "Baseline", "SACU", 1, "seed_sd") == pytest.approx(np.std([0.5, 1], ddof=1))


def test_clips_with_the_face_blurred_are_a_column_of_their_own():
    rows = predictions("Baseline", "SACU", [1, 2]) + predictions("Baseline", "STS", [1, 1])
    rows += predictions("Baseline", "SACU", [2, 2], test_set="omitted")
    rows += predictions("Baseline", "STS", [1, 2], test_set="omitted")
    table = accuracy_table(cells_of(rows))
    assert cell(table, "Baseline", "mean", 1) == 0.75
    assert cell(table, "Baseline", "mean, face blurred", 1) == 0.25
    assert cell(table, "Baseline", "SACU", 1) == 0.5


def test_clips_held_back_to_validate_are_a_column_of_their_own():
    rows = predictions("Baseline", "SACU", [1, 2]) + predictions("Baseline", "STS", [1, 1])
    rows += predictions("Baseline", "SACU", [2, 2], test_set="validation")
    rows += predictions("Baseline", "STS", [1, 2], test_set="validation")
    table = accuracy_table(cells_of(rows))
    assert cell(table, "Baseline", "mean", 1) == 0.75
    assert cell(table, "Baseline", "validation", 1) == 0.25
    assert "| top-1 | SACU | STS | mean | validation |" in to_markdown(table, 1)


def test_without_a_baseline_there_are_no_deltas():
    table = accuracy_table(cells_of(predictions("AF1", "SACU", [1, 2])))
    assert table["delta"].isna().all()
    assert to_markdown(table, 1) == "top-1: 50.0 everywhere\n"
    assert comparison_table(cells_of(predictions("AF1", "SACU", [1, 2]))).empty


def test_the_published_tables_say_what_the_study_says():
    table = read_published("calse-100")
    assert len(table) == 7 * 3 * 4
    assert cell(table, "AF1", "mean", 1) == pytest.approx(0.403, abs=5e-4)
    assert cell(table, "DF1", "DILSE", 1) / cell(table, "Baseline", "DILSE", 1) - 1 == pytest.approx(0.3259, abs=1e-4)
    best = table.groupby("k")["delta"].max() * 100
    assert best.round(1).tolist() == [11.7, 8.8, 9.0]


def test_a_published_change_is_judged_by_the_best_case_of_any_pairing():
    table = published_comparisons(read_published("calse-100"))
    headline = table[(table.recipe == "DF1") & (table.test_source == "DILSE") & (table.k == 1)].iloc[0]
    assert headline["p_least"] == 2 * 0.5**12, "11.7 of 100 clips: at best 12 changed sides, all one way"
    # Seven smaller p come first of 24: DF1, AF1 and DF1-AF2 of the mean.
    assert headline["outcome"] == PERHAPS
    assert table["outcome"].value_counts().to_dict() == {NOISE: 60, PERHAPS: 12}
    assert HARDLY not in set(table["outcome"])
    assert (table["p_least"] <= table["p_plausible"]).all()
    assert changed_clips(0.359, 0.476, 100) == 12
    assert changed_clips(0.322, 0.322, 100) == 0
    assert changed_clips(0.5, 0.44, 100) == 6


def right(*glosses):
    return [1 if number in glosses else 2 for number in range(20)]


def test_a_clear_change_has_an_outcome_and_a_small_one_is_not_distinguishable():
    rows = predictions("Baseline", "SACU", right(*range(4))) + predictions("Better", "SACU", right(*range(18)))
    rows += predictions("Worse", "SACU", right()) + predictions("Again", "SACU", right(*range(1, 6)))
    table = comparison_table(cells_of(rows)).query("test_source == 'SACU'").set_index("recipe")
    assert table["outcome"].to_dict() == {
        "Better": "better",
        "Worse": "not distinguishable",  # 4 clips of 20, all one way: p = 2 / 2^4
        "Again": "not distinguishable",
    }
    assert table["p"].tolist() == pytest.approx([2 / 2**14, 2 / 2**4, 1.0])
    # The mean over the one source asks the same again, so Holm's family has six.
    assert table["p_adjusted"].tolist() == pytest.approx([6 * 2 / 2**14, 4 * 2 / 2**4, 1.0])
    assert table.loc["Better", "low"] > 0.4


def test_the_same_training_repeated_under_other_seeds_adds_no_certainty():
    def compared(seeds):
        rows = []
        for seed in range(seeds):
            rows += predictions("Baseline", "SACU", right(*range(4)), seed)
            rows += predictions("AF1", "SACU", right(*range(9)), seed)
        return comparison_table(cells_of(rows))

    pd.testing.assert_frame_equal(compared(1).drop(columns="about"), compared(4).drop(columns="about"))


@pytest.mark.parametrize(
    ("seeds", "about", "warned"),
    [
        (1, ["trainings"] * 4, "Every comparison is about these very trainings, not about the recipes"),
        (4, ["trainings"] * 4, "Every comparison is about these very trainings, not about the recipes"),
        (5, ["recipes"] * 4, None),
    ],
)
def test_an_outcome_is_about_recipes_only_where_trainings_are_many_enough(seeds, about, warned):
    rows = []
    for source in ("SACU", "STS", "DILSE"):
        for seed in range(seeds):
            rows += predictions("Baseline", source, right(), seed) + predictions("AF1", source, right(*range(12)), seed)
    cells = cells_of(rows)
    comparisons = comparison_table(cells)
    assert comparisons["outcome"].tolist() == ["better"] * 4
    assert comparisons["about"].tolist() == about
    steps = {(recipe, source): 9 for recipe in ("Baseline", "AF1") for source in ("SACU", "STS", "DILSE")}
    text = outcome_section(with_steps(accuracy_table(cells), steps), comparisons)
    assert (warned or "about these very trainings") in text or warned is None
    assert ("these very trainings" in text) == (warned is not None)
    assert text.count("better in these trainings") == about.count("trainings") * 5 / 4  # the mean has a row too


def test_the_report_is_the_same_twice_and_goes_by_the_smallest_top_k_in_whatever_order_it_is_listed(repository):
    texts = []
    for topk in ((1, 5, 10), (10, 1, 5)):
        report(replace(FEW, evaluate=replace(FEW.evaluate, topk=topk)), repository)
        texts.append([path.read_bytes() for path in sorted(repository.metrics("report").iterdir())])
        texts[-1].append(repository.page().read_text(encoding="utf-8").partition("<h2>Parameters")[0].encode())
    assert texts[0] == texts[1]
    assert b"mean top-1 |" in (repository.metrics("report") / "table.md").read_bytes()


def test_a_mean_counts_a_gloss_once_however_many_sources_agree():
    rows = []
    for source in ("SACU", "STS", "DILSE"):
        rows += predictions("Baseline", source, right()) + predictions("AF1", source, right(*range(5)))
    table = comparison_table(cells_of(rows))
    assert set(table["p"]) == {2 / 2**5}


def test_recipes_tested_on_other_clips_are_not_compared():
    rows = predictions("Baseline", "SACU", [1, 2, 3]) + predictions("AF1", "SACU", [1, 2])
    with pytest.raises(CalseError, match="recipe AF1, SACU: its test clips are not Baseline's; run: dvc repro"):
        comparison_table(cells_of(rows))


@pytest.fixture
def repository(tmp_path):
    layout = Layout(tmp_path)
    rng = np.random.default_rng(5)
    for recipe in PARAMS.recipes:
        rows = [row for source in PARAMS.test_sources for row in predictions(recipe, source, rng.integers(1, 101, 100))]
        path = layout.metrics("evaluate") / "i3d" / recipe / "predictions.csv"
        write_rows(path, COLUMNS, [{name: row[name] for name in COLUMNS} for row in rows])
        steps = {source: 3000 + 600 * len(PARAMS.recipes[recipe].sets) for source in PARAMS.test_sources}
        write_rows(path.with_name("confusion.csv"), ["gloss", "predicted", "clips"], CONFUSED)
        by_source = {source: {"clips": 100, "top1": 0.4, "mrr": 0.5, "seeds": {}} for source in PARAMS.test_sources}
        mean = {"filmed": {"top1": 0.4, "mrr": 0.5}, "omitted": {"mrr": 0.25}}
        write_json(path.with_name("metrics.json"), {"steps": steps, "filmed": by_source, "mean": mean})
    good = {"frames": 200, "frames_swapped": 150, "passed": True, "failed": [], "identity": {"moved": 0.9}, "kept": 0.8}
    good |= {"detail": {"median": 0.6}}
    for name in PARAMS.swap:
        write_json(layout.metrics("swap") / f"{name}.json", good)
        write_json(layout.metrics("reidentify") / f"{name}.json", asked())
    return layout


def asked(face=(0.0, [0.0, 0.2316]), motion=(0.5714, [0.2886, 0.8234]), people=4):
    """What the stage `reidentify` writes: rank-1 after the swap, with its interval, of fourteen clips."""
    after = {"face": face, "motion": motion, "movement": (0.2857, [0.0839, 0.581])}
    before = {"n": 14, "rank1": 1.0, "interval": [0.7684, 1.0]}
    figures = {
        name: {"before": before, "after": {"n": 14, "rank1": rate, "interval": interval}, "gallery": before}
        for name, (rate, interval) in after.items()
    }
    return {"people": people, "signers": 1, "chance": 1 / people} | figures


def test_the_report_stands_beside_the_published_figures_and_fits_a_terminal(repository, capsys):
    report(PARAMS, repository)
    assert sorted(path.name for path in repository.metrics("report").iterdir()) == [
        "comparisons.csv",
        "headline.json",
        "measures.csv",
        "published.csv",
        "table.csv",
        "table.md",
        "table.png",
    ]
    table = pd.read_csv(repository.metrics("report") / "table.csv")
    assert cell(table, "AF1", "DILSE", 1, "accuracy_published") == 0.463
    assert cell(table, "DF2", "mean", 1, "steps") == cell(table, "DF2", "STS", 1, "steps") == 4800
    measures = pd.read_csv(repository.metrics("report") / "measures.csv")
    assert measures[measures.recipe == "AF1"].to_dict("split")["data"] == [
        *(["i3d", "AF1", source, "mrr", 0.5] for source in (*PARAMS.test_sources, "mean")),
        ["i3d", "AF1", "mean, face blurred", "mrr", 0.25],
        ["i3d", "AF1", "SACU", "top1_worst_source", 0.01],
    ]
    show(PARAMS, repository)
    shown = capsys.readouterr().out
    assert "one clip is 1.0 points" in " ".join(shown.split())
    text = (repository.metrics("report") / "table.md").read_text()
    assert "steps (Baseline: 3000)" in text
    assert "| DF2 | 4800 |" in text
    assert max(len(line) for line in text.splitlines() if line.startswith("| DF1-AF2")) <= 100
    assert "certainly within noise" in " ".join(shown.split())
    assert "table.png" in shown


def test_another_corpus_is_not_compared_with_the_published_figures(repository):
    report(replace(FEW, corpus=replace(FEW.corpus, name="mine")), repository)
    assert "published" not in (repository.metrics("report") / "table.csv").read_text()
    assert "published" not in (repository.metrics("report") / "table.md").read_text()
    assert not (repository.metrics("report") / "published.csv").exists()


def test_a_swapped_set_that_missed_its_thresholds_is_named_as_failed(repository):
    bad = {"frames": 10, "frames_swapped": 0, "passed": False, "failed": ["no clip of the set has a face"]}
    write_json(repository.metrics("swap") / "DF-2.json", bad)
    good = json.loads((repository.metrics("swap") / "DF-3.json").read_text())
    truth = {
        "lips": {"swapped": 0.8, "before": 0.93, "clips": 6},
        "brows": {"swapped": 0.7, "before": 0.9, "clips": 4},  # too few clips to say
    }
    write_json(repository.metrics("swap") / "DF-3.json", good | {"oracle": truth})
    report(FEW, repository)
    text = (repository.metrics("report") / "table.md").read_text()
    assert "| DF-1 | DONOR-1 | 75.0% | 0.90 | 0.80 | 0.60 | passed |" in text
    assert "| DF-2 | DONOR-2 | 0.0% |  |  |  | FAILED: no clip of the set has a face |" in text
    short = "lips follow the truth by 0.80, less than 0.85 (6 clips; the signer's own by 0.93)"
    assert f"| passed; {short} |" in text
    assert "brows follow" not in text
    (repository.metrics("swap") / "DF-3.json").unlink()
    with pytest.raises(CalseError, match="dvc repro swap@DF-3"):
        report(FEW, repository)


def test_the_report_says_in_a_sentence_whether_the_signer_is_still_named(repository):
    write_json(repository.metrics("reidentify") / "DF-2.json", asked(face=(0.5, [0.2304, 0.7696])))
    write_json(repository.metrics("reidentify") / "DF-3.json", {"people": 1, "signers": 1})
    report(FEW, repository)
    lines = (repository.metrics("report") / "table.md").read_text().splitlines()
    assert (
        "- DF-1: the face names the signer of 0% [0, 23] of 14 clips, below chance (25%), before the swap of 100%; the "
        "motion names the signer of 57% [29, 82] of 14 clips, above chance (25%), before the swap of 100%, without "
        "posture of 29% [8, 58]; 4 people" in lines
    )
    assert any(", not told from chance (25%), " in line for line in lines if line.startswith("- DF-2: the face"))
    assert any(line.startswith("- DF-3: whether the signer can still be named was not measured") for line in lines)
    (repository.metrics("reidentify") / "DF-3.json").unlink()
    with pytest.raises(CalseError, match="dvc repro reidentify@DF-3"):
        report(FEW, repository)


@pytest.mark.parametrize(
    ("rate", "interval", "words"),
    [
        (0.07, [0.0, 0.34], "not told from chance (25%)"),
        (0.3, [0.12, 0.54], "not told from chance (25%)"),
        (0.25, [0.25, 0.5], "not told from chance (25%)"),
        (0.4, [0.26, 0.55], "above chance (25%)"),
        (0.0, [0.0, 0.24], "below chance (25%)"),
    ],
)
def test_a_rate_is_beyond_chance_only_where_its_interval_is(rate, interval, words):
    assert f" clips, {words}, before the swap" in named_by(asked(face=(rate, interval))).split(";")[0]


def test_what_looks_like_a_number_stays_text(tmp_path):
    path = Layout(tmp_path).metrics("evaluate") / "i3d/AF1/predictions.csv"
    write_rows(path, COLUMNS, [predictions_of_numbers()])
    table = read_predictions(Layout(tmp_path), "i3d", "AF1")
    assert table.to_dict("records") == [predictions_of_numbers() | {"recipe": "AF1"}]


def predictions_of_numbers():
    row = {"test_source": "2024", "seed": 1, "test_set": "filmed", "clip": "2024-007-1", "gloss": "007", "rank": 2}
    return row | {"gloss_1": "8"}


def test_missing_predictions_name_the_command_that_makes_them(repository):
    (repository.metrics("evaluate") / "i3d/AF1" / "predictions.csv").unlink()
    with pytest.raises(CalseError, match="dvc repro evaluate@i3d-AF1"):
        report(FEW, repository)


def test_measures_stand_in_the_order_of_their_numbers():
    figures = {"clips": 4, "top10_per_class": 1.0, "mrr": 0.5, "top5_per_class": 0.75, "top1_per_class": 0.25}
    table = measure_table({"AF1": {"filmed": {"STS": figures}, "mean": {"filmed": figures}}}, ["STS"])
    assert list(table["measure"][:4]) == ["mrr", "top1_per_class", "top5_per_class", "top10_per_class"]
    screen = io.StringIO()
    Console(file=screen, width=60).print(Markdown(measure_section(table)))
    assert "class" in screen.getvalue()
    assert "…" not in screen.getvalue(), "a name is broken, never cut off"


def test_the_worst_source_and_signer_are_found_by_hand():
    rows = predictions("AF1", "SACU", [1, 2, 1, 1]) + predictions("AF1", "STS", [1, 1, 2, 2])
    signers = {f"{source}-{n}": source for source in ("SACU", "STS") for n in range(4)} | {"SACU-1": "luis"}
    worst = worst_rows(pd.DataFrame(rows), signers, 1)
    assert worst.to_dict("split")["data"] == [
        ["AF1", "STS", "top1_worst_source", 0.5],
        ["AF1", "SACU", "top1_worst_signer", 0.0],  # luis, right 0 of 1
    ]
    assert len(worst_rows(pd.DataFrame(rows), {}, 1)) == 1, "nothing is said of signers whom nobody knows"


def test_recognisers_are_compared_over_the_same_test_clips():
    cells = {name: cells_of(predictions("Baseline", "SACU", ranks), (1, 5)) for name, ranks in
             (("i3d", right(0)), ("s3d", right(*range(19))), ("other", right(1)))}  # fmt: skip
    table = recogniser_table(cells, ["i3d", "s3d", "other"])
    pairs = table[["recogniser", "against", "k"]].to_dict("split")["data"]
    ordered = (("s3d", "i3d"), ("other", "i3d"), ("other", "s3d"))
    assert pairs == [[one, other, k] for one, other in ordered for k in (1, 5)]
    first = table.iloc[0]
    assert (first["accuracy"], first["delta"], first["clips"]) == (0.95, 0.9, 20)
    assert first["p"] == pytest.approx(2 / 2**18)
    assert first["p_adjusted"] == pytest.approx(3 * 2 / 2**18), "Holm's over the three pairs"
    assert (first["outcome"], first["about"]) == ("better", "trainings")
    assert recogniser_table(cells, ["i3d"])["about"].tolist() == ["trainings"] * 4 + ["recipes"] * 2, "no seed, no luck"
    assert recogniser_table({"i3d": cells["i3d"]}, []).empty
    with pytest.raises(CalseError, match="s3d, Baseline: its test clips are not those of i3d"):
        recogniser_table({"i3d": cells["i3d"], "s3d": cells_of(predictions("Baseline", "SACU", [1]), (1,))}, [])


def test_one_training_of_a_recogniser_that_draws_nothing_is_about_the_recipes():
    rows = predictions("Baseline", "SACU", right(0)) + predictions("AF1", "SACU", right(*range(19)))
    assert set(comparison_table(cells_of(rows), seeded=False)["about"]) == {"recipes"}
    assert set(comparison_table(cells_of(rows))["about"]) == {"trainings"}
