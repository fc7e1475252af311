import copy
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from calse.config.edited import without_part
from calse.config.params import Recipe, check_params, read_params
from calse.runtime.errors import CalseError

DONOR = {"kind": "donor", "clips_per_gloss": None}
AFFINE = YAML(typ="safe", pure=True).load(Path("presets/synthetic.yaml"))["augment"]["AF1"]
LEGACY = {"mode": "legacy"} | dict.fromkeys(("rotation", "scale", "shear", "translation", "reflection"), 0)
PRESETS = sorted(Path("presets").glob("*.yaml"))


@pytest.fixture
def tree():
    return YAML(typ="safe", pure=True).load(Path("presets/synthetic.yaml"))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_preset_is_valid(path):
    assert read_params(path).recipes["Baseline"] == Recipe(())


def test_the_study_preset_holds_the_published_settings():
    params = read_params(Path("presets/calse-100.yaml"))
    i3d = params.train["i3d"]
    assert (i3d.input.frames, i3d.input.size, i3d.optim.batch, i3d.schedule.epochs) == (64, 224, 10, 60)
    assert (i3d.optim.optimiser, i3d.optim.lr, i3d.optim.loss, i3d.model.width) == ("adam", 1e-3, "bce-localisation", 1)
    assert params.corpus.glosses == 100
    assert params.evaluate.topk == (1, 5, 10)
    assert sum(params.corpus.sources[name].clips_per_gloss for name in params.filmed) == 6
    assert not any(source.share for source in params.corpus.sources.values()), (
        "nobody's face leaves before somebody has said so"
    )
    assert {settings.mode for settings in params.augment.values()} == {"legacy"}


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        ("train.i3d.schedule.epochs", "sixty", "train.i3d.schedule.epochs"),
        ("train.i3d.schedule.epochs", 0, "train.i3d.schedule.epochs"),
        ("train.i3d.schedule.epochs", True, "train.i3d.schedule.epochs"),
        ("train.i3d.schedule.epoch", 60, "train.i3d.schedule.epoch: no such parameter"),
        ("train.i3d.optim.lr", float("nan"), "train.i3d.optim.lr"),
        ("train.i3d.seeds", [], "train.i3d.seeds"),
        ("train.i3d.seeds", [1, 1], "train.i3d.seeds: 1 is named twice"),
        ("train.i3d", None, "train.i3d: "),
        ("train.lr", 0.01, "train.lr: this is called train.i3d.optim.lr now"),
        ("train.pretrained", None, "train.pretrained: this is called train.i3d.model.pretrained now"),
        ("train.schedule", "constant", "train.schedule: this is called train.i3d.schedule.kind now"),
        ("train.model", "s3d", "train.model: this is called by the name of its section"),
        ("validate.min_fps", 500, "validate.min_fps: 500 is more than max_fps, which is 120"),
        ("evaluate.topk", [1, 5, 1], "evaluate.topk: 1 is named twice"),
        ("omit", ["SACU", "SACU"], "omit: 'SACU' is named twice"),
        ("validation_source", "STS", "validation_source: 'STS' is not filmed and outside test_sources; those are: INT"),
        ("validation_source", "DONOR-1", "validation_source: 'DONOR-1' is not filmed and outside test_sources"),
        ("train", {}, "train: "),
        ("train", ["i3d"], "train: "),
        ("train.i4d", {}, "train.i4d: there is no such recogniser; those are: i3d, "),
        ("augment.AF1.of", "dictionary", "augment.AF1.of"),
        ("augment.AF1.rotation", -1, "augment.AF1.rotation"),
        ("augment.AF1.kind", "afine", "augment.AF1.kind: there is no kind 'afine'; those are: affine"),
        ("augment.AF1.kind", None, "augment.AF1.kind: there is no kind None; those are: affine"),
        ("augment.AF1.rotate", 3, "augment.AF1.rotate: no such parameter"),
        ("augment.AF1", ["affine"], "augment.AF1: "),
        ("augment.AF1", {"mode": "legacy"}, "augment.AF1.kind: this parameter is missing"),
        ("augment.AF1.mode", "legacy", "augment.AF1.rotation: mode legacy does not read this, so it must be 0"),
        ("augment.Old", AFFINE | LEGACY | {"reflection": 0.5}, "augment.Old.reflection: mode legacy does not read"),
        ("affine", {"AF1": AFFINE}, "affine: this is called augment (with `kind: affine` in each set) now"),
        ("faces", {"sources": []}, "faces: this is called landmarks now"),
        ("face-models", ["published"], "face-models: delete it; the models are fetched when landmarks.sources names"),
        ("landmarks", False, "landmarks: DVC needs a list here; to do without: calse preset NAME --without landmarks"),
        ("landmarks", "off", "landmarks: DVC needs a list here; to do without: calse preset NAME --without landmarks"),
        (
            "landmarks.sources",
            [],
            "landmarks.sources: without landmarks no face is blurred or swapped; either name sources here, or write "
            "`omit: []`, `swap: {}`, recipes without DF1, DF2, DF1-AF1, DF1-AF2, train without landmarks",
        ),
        ("corpus.name", "../elsewhere", "corpus.name"),
        ("corpus.sources.SACU.share", "no", "corpus.sources.SACU.share"),
        ("corpus.sources.SACU.licence", "two\nlines", "corpus.sources.SACU.licence"),
        ("corpus.sources.SACU.until", "31/12/2026", "corpus.sources.SACU.until: write a day as '2027-12-31'"),
        ("corpus.sources.SACU.consent", None, "corpus.sources.SACU.consent"),
        (
            "recipes.Both",
            ["AF1", "AF9"],
            "recipes.Both: 'AF9' is not an augmentation set; those are: AF1, AF2, DF-1, DF-2, DF-3",
        ),
        ("recipes.Twice", ["AF1", "AF1"], "recipes.Twice"),
        ("test_sources", ["INTERPRETER"], "test_sources: 'INTERPRETER' is not a public source"),
        ("ingest", None, "ingest"),
        ("swap.DF-1.of", "interpreter", "swap.DF-1.of: no such parameter; delete it"),
        (
            "train.i3d.optim.micro_batch",
            15,
            "train.i3d.optim.micro_batch: 15 is more than optim.batch, which is 14",
        ),
        (
            "train.i3d.optim.loss",
            "bce-localisation",
            "train.i3d.optim.label_smoothing: the loss bce-",
        ),
        ("corpus.sources.DONOR-1.clips_per_gloss", 5, "corpus.sources.DONOR-1.clips_per_gloss: a donor's are not"),
        ("recipes.Baseline", {"sets": [], "equal_steps": True}, "recipes.Baseline.equal_steps: without sets"),
        ("corpus.glosses", 1, "recipes.Permuted.permute: corpus.glosses is 1, and one gloss cannot be shuffled"),
        ("corpus.sources.mean", DONOR, "corpus.sources.mean: tables have a column or row of that name"),
        ("corpus.sources.Gloss", DONOR, "corpus.sources.Gloss: tables have a column or row of that name"),
        ("corpus.sources.sacu", DONOR, "corpus.sources.SACU: sacu has that name but for capitals"),
        ("corpus.sources.CON", DONOR, "corpus.sources.CON: Windows can hold no folder of that name"),
        ("augment.df-1", AFFINE, "augment.df-1: DF-1 has that name but for capitals"),
        ("augment.com1", AFFINE, "augment.com1: Windows"),
        ("recipes.nul", ["AF1"], "recipes.nul: Windows"),
        ("recipes.baseline", ["AF1"], "recipes.Baseline: baseline has that name but for capitals"),
        ("corpus.name", "Synthetic", "corpus.name: synthetic has that name but for capitals"),
        ("augment.omit-sacu", AFFINE, "omit-sacu: the clips of the stage omit have that name"),
        ("corpus.sources.take", DONOR, "corpus.sources.take: "),
        ("corpus.sources.glossary", DONOR, "corpus.sources.glossary: "),
        ("augment.OMIT-SACU", AFFINE, "OMIT-SACU: the clips of the stage omit have that name"),
    ],
)
def test_a_wrong_value_is_refused_by_its_path_in_one_line(tree, where, value, says):
    *parents, last = where.split(".")
    node = changed = copy.deepcopy(tree)
    for name in parents:
        node = node[name]
    node[last] = value
    with pytest.raises(CalseError) as caught:
        check_params(changed)
    assert str(caught.value).startswith(f"params.yaml: {says}")
    assert "\n" not in str(caught.value)


def test_a_missing_parameter_is_named(tree):
    del tree["train"]["i3d"]["optim"]["lr"]
    with pytest.raises(CalseError, match=r"train.i3d.optim.lr: this parameter is missing"):
        check_params(tree)


@pytest.mark.parametrize("text", ["a: [1", "a: 1\na: 2\n", "\x00", "", "- 1", "!!python/object:os.system {}"])
def test_what_is_not_a_parameter_file_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(CalseError) as caught:
        read_params(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "sets", "recipes"),
    [
        ("landmarks", ["AF1", "AF2"], ["Baseline", "AF1", "AF2", "Permuted"]),
        ("swap", ["AF1", "AF2"], ["Baseline", "AF1", "AF2", "Permuted"]),
        ("augment", ["DF-1", "DF-2", "DF-3"], ["Baseline", "DF1", "DF2", "Permuted"]),
    ],
)
def test_one_word_leaves_a_part_out_with_all_that_needs_it_and_keeps_the_rest_and_its_comments(
    tmp_path, part, sets, recipes
):
    preset, path = Path("presets/synthetic.yaml"), tmp_path / "params.yaml"
    path.write_text(without_part(part, preset.read_text(encoding="utf-8")), encoding="utf-8")
    before, after = read_params(preset), read_params(path)
    assert (list(after.sets), list(after.recipes)) == (sets, recipes)
    assert ("landmarks" in after.train) == bool(after.landmarks.sources) == bool(after.omit) == (part != "landmarks")
    assert (after.corpus, after.train["i3d"], after.evaluate) == (before.corpus, before.train["i3d"], before.evaluate)
    assert path.read_text(encoding="utf-8").count("#") > 20


def test_words_that_yaml_1_1_takes_for_booleans_stay_names(tmp_path, tree):
    tree["recipes"]["NO"] = ["AF1"]
    path = tmp_path / "params.yaml"
    with path.open("w") as file:
        YAML(typ="safe", pure=True).dump(tree, file)
    path.write_text(path.read_text().replace("'NO'", "NO"))
    assert read_params(path).recipes["NO"].sets == ("AF1",)


def test_seeds_that_no_recipe_takes_are_refused(tree):
    tree["train"]["i3d"]["seeds"] = [1, 2]
    tree["recipes"] = {name: {"sets": [], "seeds": [7]} for name in tree["recipes"]}
    with pytest.raises(CalseError, match=r"train\.i3d\.seeds: every recipe has seeds of its own; delete this"):
        check_params(tree)
    del tree["train"]["i3d"]["seeds"]
    assert check_params(tree).seeds_of("i3d", "Baseline") == (7,)


def test_a_network_takes_the_place_of_another_with_its_section(tree):
    tree["train"] = {"s3d": tree["train"]["i3d"]}
    tree["train"]["s3d"]["model"]["width"] = 1
    assert list(check_params(tree).train) == ["s3d"]
    assert check_params(tree).seeds_of("s3d", "AF1") == (1,)


@pytest.mark.parametrize(("old", "new"), [("affine", "augment"), ("faces", "landmarks")])
def test_a_command_that_was_called_otherwise_names_the_new_one(old, new):
    done = subprocess.run(["calse", old, "AF1"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"error: calse {old} is called calse {new} now\n")
