"""A recipe of shuffled glosses is a control: beside the comparisons, at chance or named as a leak."""

import pytest
from ruamel.yaml import YAML

from calse.config.params import check_params
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.report.study import controls, controls_compared
from toys import PRESET


def params_with(recipe):
    tree = YAML(typ="safe", pure=True).load(PRESET.read_text(encoding="utf-8"))
    return check_params(tree | {"recipes": {"Baseline": [], "Shuffled": recipe}})


@pytest.mark.parametrize(("right", "leaks"), [(1, False), (14, True)])
def test_a_control_above_chance_is_a_leak(tmp_path, right, leaks):
    layout, params = Layout(tmp_path), params_with({"sets": [], "permute": True})
    rows = [
        {"test_source": source, "test_set": "filmed", "seed": 1, "clip": f"{source}-{n}", "gloss": f"G{n}"}
        | {"rank": 1 if n < right else 9, "gloss_1": "G0"}
        for source in params.test_sources
        for n in range(params.corpus.glosses)
    ]
    path = layout.metrics("evaluate") / "i3d" / "Shuffled" / "predictions.csv"
    write_rows(path, list(rows[0]), rows)
    at_chance, leaking = controls(params, layout, "i3d")
    assert (len(at_chance), len(leaking)) == ((0, 1) if leaks else (1, 0))
    assert f"reaches {100 * right / 14:.1f} % top-1" in (at_chance + leaking)[0]
    assert "where guessing reaches 7.1 %" in (at_chance + leaking)[0]


def test_no_other_recipe_is_a_control(tmp_path):
    assert controls(params_with([]), Layout(tmp_path), "i3d") == ([], [])


def test_controls_among_the_comparisons_are_named():
    assert controls_compared(params_with([])) == []
    assert controls_compared(params_with({"sets": [], "permute": True})) == []
    (seeds,) = controls_compared(params_with({"sets": [], "seeds": [101]}))
    assert seeds == "Shuffled is Baseline with other seeds: a control, whose change nothing but chance made."
    (steps,) = controls_compared(params_with({"sets": ["AF1"], "equal_steps": True}))
    assert steps == "No more steps than Baseline, for more clips are not to be more training: Shuffled."
