from dataclasses import replace
from pathlib import Path

import pytest

from calse.config.params import Recipe, read_params
from calse.data.clips import Clip
from calse.data.donors import person
from calse.data.manifests import write_manifest
from calse.data.paths import Layout
from calse.data.splits import read_split, split
from calse.runtime.errors import CalseError

PUBLIC = ["SACU", "STS", "DILSE"]
GLOSSES = [f"G{number:03}" for number in range(100)]
SETS: dict[str, tuple[str, ...]] = {"Baseline": (), "AF1": ("AF1",), "AF2": ("AF2",), "Both": ("AF1", "AF2")}
PARAMS = replace(
    read_params(Path("presets/calse-100.yaml")),
    recipes={name: Recipe(sets) for name, sets in SETS.items()},
)


def filmed(source, gloss, take=1):
    name = f"{source}-{gloss}-{take}"
    return Clip(name, gloss, source, source, take, "", "", f"data/{name}.mp4", name, name, 64, 48, 25.0, 9, "{}")


def copy_of(parent, set_name):
    name = f"{set_name}-{parent.clip}-1"
    return replace(parent, clip=name, set=set_name, parent=parent.clip, sha256=name, content="")


@pytest.fixture
def repository(tmp_path):
    """The manifests of a whole CALSE-100: 300 public clips, 300 of the interpreter, 200 + 300 affine copies."""
    layout = Layout(tmp_path)
    public = [filmed(source, gloss) for source in PUBLIC for gloss in GLOSSES]
    interpreter = [filmed("INTERPRETER", gloss, take) for gloss in GLOSSES for take in (1, 2, 3)]
    for source in PUBLIC:
        write_manifest(layout.source_manifest(source), [clip for clip in public if clip.source == source])
    write_manifest(layout.source_manifest("INTERPRETER"), interpreter)
    write_manifest(layout.set_manifest("AF1"), [copy_of(clip, "AF1") for clip in interpreter if clip.take < 3])
    write_manifest(layout.set_manifest("AF2"), [copy_of(clip, "AF2") for clip in public])
    return layout


@pytest.mark.parametrize(("recipe", "size"), [("Baseline", 500), ("AF1", 700), ("AF2", 700), ("Both", 900)])
def test_the_splits_have_the_studys_sizes(repository, recipe, size):
    split(PARAMS, repository, recipe)
    made = read_split(repository.split(recipe))
    assert made.classes == GLOSSES
    for source in PUBLIC:
        assert len(made.train(source)) == size
        assert [clip.source for clip in made.test(source)] == [source] * 100


def test_a_source_held_back_to_validate_neither_trains_nor_tests(repository):
    split(replace(PARAMS, test_sources=("SACU", "STS"), validation_source="DILSE"), repository, "Both")
    made = read_split(repository.split("Both"))
    assert {clip.clip for clip in made.validated} == {f"DILSE-{gloss}-1" for gloss in GLOSSES}
    for source, size in (("SACU", 700), ("STS", 700)):  # 400 filmed clips, 200 copies of AF1, 100 of AF2
        assert len(made.train(source)) == size
        assert "DILSE" not in {clip.source for clip in made.train(source) + made.test(source)}
    split(PARAMS, repository, "Both")
    assert read_split(repository.split("Both")).validated == []


def test_no_test_clip_and_no_copy_of_one_ever_trains(repository):
    split(PARAMS, repository, "Both")
    made = read_split(repository.split("Both"))
    for source in PUBLIC:
        tested = {clip.clip for clip in made.test(source)}
        trained = made.train(source)
        assert not tested & {clip.clip for clip in trained}
        assert not tested & {clip.parent for clip in trained}
        assert all(not clip.parent for clip in made.test(source))


def test_a_splits_bytes_change_only_with_its_own_recipes_clips(repository):
    def write_all():
        for recipe in PARAMS.recipes:
            split(PARAMS, repository, recipe)
        return {recipe: repository.split(recipe).read_bytes() for recipe in PARAMS.recipes}

    before = write_all()
    changed = [replace(copy_of(filmed(source, "G000"), "AF2"), sha256=f"new {source}") for source in PUBLIC]
    write_manifest(repository.set_manifest("AF2"), changed)
    after = write_all()
    assert [recipe for recipe in before if before[recipe] != after[recipe]] == ["AF2", "Both"]


def test_a_copy_without_its_parent_or_under_another_source_is_refused(repository):
    orphan = copy_of(filmed("SACU", "G999"), "AF2")
    write_manifest(repository.set_manifest("AF2"), [orphan])
    with pytest.raises(CalseError, match="AF2-SACU-G999-1-1 was made from 'SACU-G999-1'"):
        split(PARAMS, repository, "AF2")
    smuggled = replace(copy_of(filmed("SACU", "G001"), "AF2"), source="STS")
    write_manifest(repository.set_manifest("AF2"), [smuggled])
    with pytest.raises(CalseError, match="has another source"):
        split(PARAMS, repository, "AF2")


def test_a_donor_who_signs_in_a_test_source_is_refused(repository):
    params = replace(PARAMS, recipes={"DF1": Recipe(("DF-1",))})
    swapped = [copy_of(filmed("INTERPRETER", gloss), "DF-1") for gloss in GLOSSES]
    write_manifest(repository.set_manifest("DF-1"), swapped)
    write_manifest(repository.source_manifest("DONOR-1"), [filmed("DONOR-1", "G000")])
    split(params, repository, "DF1")
    write_manifest(repository.source_manifest("DONOR-1"), [replace(filmed("DONOR-1", "G000"), signer="STS")])
    with pytest.raises(CalseError, match="donor DONOR-1: STS signs in the test source STS too"):
        split(params, repository, "DF1")


def test_one_recording_in_two_sources_is_refused_by_name(repository):
    clips = [replace(filmed("STS", gloss), content=f"SACU-{gloss}-1") for gloss in GLOSSES]
    write_manifest(repository.source_manifest("STS"), clips)
    with pytest.raises(CalseError, match="SACU-G000-1 and STS-G000-1"):
        split(PARAMS, repository, "Baseline")


def test_a_copy_of_a_copy_stays_on_the_side_of_what_was_filmed(repository):
    filmed_clip = filmed("SACU", "G000")
    child = copy_of(filmed_clip, "AF2")
    grandchild = copy_of(child, "AF1")
    write_manifest(repository.set_manifest("AF2"), [child])
    write_manifest(repository.set_manifest("AF1"), [grandchild])
    split(PARAMS, repository, "Both")
    made = read_split(repository.split("Both"))
    assert grandchild.clip not in {clip.clip for clip in made.train("SACU") + made.test("SACU")}
    assert grandchild.clip in {clip.clip for clip in made.train("STS")}
    for smuggled in (replace(child, source="STS"), replace(child, parent=grandchild.clip)):
        write_manifest(repository.set_manifest("AF2"), [smuggled])
        with pytest.raises(CalseError, match="AF2-SACU-G000-1"):
            split(PARAMS, repository, "Both")
    with pytest.raises(CalseError, match="was made from 'AF2-SACU-G000-1-1', which is not there"):
        split(PARAMS, repository, "AF1")


def test_a_test_clips_file_under_a_training_clips_name_is_refused(repository):
    disguised = replace(copy_of(filmed("INTERPRETER", "G000"), "AF1"), sha256="SACU-G000-1")
    write_manifest(repository.set_manifest("AF1"), [disguised])
    with pytest.raises(CalseError, match="SACU-G000-1 and AF1-INTERPRETER-G000-1-1 show the same recording"):
        split(PARAMS, repository, "AF1")


def test_a_clip_that_says_nothing_of_its_parent_or_bears_anothers_name_is_refused(repository):
    write_manifest(repository.set_manifest("AF1"), [replace(copy_of(filmed("SACU", "G000"), "AF1"), parent="")])
    with pytest.raises(CalseError, match="AF1-SACU-G000-1-1 was made from ''"):
        split(PARAMS, repository, "AF1")
    write_manifest(repository.set_manifest("AF1"), [replace(filmed("SACU", "G000"), source="STS")])
    with pytest.raises(CalseError, match="SACU-G000-1 is listed twice"):
        split(PARAMS, repository, "AF1")
    write_manifest(repository.source_manifest("INTERPRETER"), [copy_of(filmed("SACU", "G000"), "AF1")])
    with pytest.raises(CalseError, match="was made, not filmed"):
        split(PARAMS, repository, "Baseline")


@pytest.mark.parametrize(
    ("donor", "says"),
    [
        ({"signer": " sts"}, " sts signs in the test source STS"),
        ({"signer": "S_t_s"}, None),
        ({"sha256": "DILSE-G007-1"}, "DONOR-1-G000-1 is the test clip DILSE-G007-1"),
        ({"signer": "ＳＴＳ"}, "signs in the test source STS"),
        ({"content": "DILSE-G007-1"}, "DONOR-1-G000-1 is the test clip DILSE-G007-1"),
    ],
)
def test_a_donor_is_known_by_other_spellings_and_by_the_recording(repository, donor, says):
    params = replace(PARAMS, recipes={"DF1": Recipe(("DF-1",))})
    write_manifest(repository.set_manifest("DF-1"), [copy_of(filmed("INTERPRETER", "G000"), "DF-1")])
    write_manifest(repository.source_manifest("DONOR-1"), [replace(filmed("DONOR-1", "G000"), **donor)])
    if says is None:
        split(params, repository, "DF1")
        return
    with pytest.raises(CalseError, match=f"donor DONOR-1: .*{says}.*; take another donor"):
        split(params, repository, "DF1")


def test_names_are_compared_without_capitals_spaces_and_composition_but_by_every_letter():
    assert person("José  Pérez") == person("JOSE\u0301_PÉREZ ")
    assert person("राम") != person("रीम"), "vowel signs are marks"
    assert person("★") != person("☆")


def test_an_unknown_recipe_and_a_missing_manifest_are_named(repository):
    with pytest.raises(CalseError, match=r"recipes.AF9 is not in params.yaml"):
        split(PARAMS, repository, "AF9")
    repository.set_manifest("AF1").unlink()
    with pytest.raises(CalseError, match=r"AF1.csv is missing"):
        split(PARAMS, repository, "AF1")
