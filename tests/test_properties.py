"""What holds for any input: of parameters, manifests, splits, tables and names."""

import copy
import csv
import io
import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from calse.config.params import check_params, read_params
from calse.corpus.naming import offers_of
from calse.corpus.raw import RawVideo, read_index, write_index
from calse.data.clips import COLUMNS, Clip, clip_id, clip_ids, normalise_gloss, slug
from calse.data.manifests import read_manifest, read_rows, write_manifest
from calse.data.splits import check_leaks, read_split, role
from calse.runtime.errors import CalseError

yaml = YAML(typ="safe", pure=True)
PRESETS = {path.stem: yaml.load(path) for path in sorted(Path("presets").glob("*.yaml"))}
quick = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


# Parameters


def leaves(tree, where=()):
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*where, key))
        else:
            yield (*where, key)


def at(tree, where):
    for key in where:
        tree = tree[key]
    return tree


def wrong_values(value):
    """Values that can stand in no parameter that holds `value`."""
    always = [{"a": 1}, [{"a": 1}], [["x"]], "\0", "", "../up", -1, float("nan"), float("inf"), float("-inf"), 10**31]
    if isinstance(value, bool):
        return [*always, "yes", 1, [], 0.5]
    if isinstance(value, (int, float)):
        return [*always, "1", [], [1], True, False]
    if isinstance(value, str):
        return [one for one in always if one != ""] + [1, 0.5, True, [], ["a"], "no such word"]
    if isinstance(value, list):
        return [*always, "word", 1, None, True, [None], [True], [-1], [float("nan")]]
    return always


@pytest.mark.parametrize("preset", PRESETS)
def test_every_wrong_value_of_every_parameter_is_refused_by_its_path(preset):
    others = {
        (*where, type(at(PRESETS[name], where))) for name in PRESETS if name < preset for where in leaves(PRESETS[name])
    }
    for where in leaves(PRESETS[preset]):
        if (*where, type(at(PRESETS[preset], where))) in others:
            continue  # tried in another preset
        tree = copy.deepcopy(PRESETS[preset])
        for wrong in wrong_values(at(PRESETS[preset], where)):
            if where[-1] in ("pretrained", "licence", "consent") and isinstance(wrong, str) and wrong.isprintable():
                continue  # any text may stand there; a missing file is refused where it is read
            at(tree, where[:-1])[where[-1]] = wrong
            with pytest.raises(CalseError) as caught:
                check_params(tree)
                pytest.fail(f"{'.'.join(where)} = {wrong!r} was taken")
            assert str(caught.value).startswith(f"params.yaml: {where[0]}"), (where, wrong)
            assert len(str(caught.value)) < 500
            assert str(caught.value).isprintable()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_missing_and_every_unknown_parameter_is_named(preset):
    sections = {where[:-1] for where in leaves(PRESETS[preset])}
    for where in sections:
        tree = copy.deepcopy(PRESETS[preset])
        at(tree, where)["no-such-name"] = 1
        with pytest.raises(CalseError, match=r"no-such-name"):
            check_params(tree)
    for where in leaves(PRESETS[preset]):
        tree = copy.deepcopy(PRESETS[preset])
        del at(tree, where[:-1])[where[-1]]
        said = refusal(check_params, tree)
        assert not said or where[0] in said or where[-1] in said  # the latter where other sections refer to a name


def refusal(function, *arguments):
    """What a call is refused with, or nothing."""
    try:
        function(*arguments)
    except CalseError as error:
        return str(error)
    return ""


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@quick
@given(data=st.data(), value=values)
def test_any_value_anywhere_is_taken_or_refused_in_one_line(data, value):
    tree = copy.deepcopy(PRESETS["synthetic"])
    where = data.draw(st.sampled_from(sorted(leaves(tree))))
    where = where[: data.draw(st.integers(1, len(where)))]
    at(tree, where[:-1])[where[-1]] = value
    assert "\n" not in refusal(check_params, tree)


@quick
@given(text=st.text(max_size=60) | st.text(alphabet="{}[]&*!:-|>'\"% \n,a1", max_size=30) | st.binary(max_size=40))
def test_no_text_breaks_the_parameter_file(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    with pytest.raises(CalseError) as caught:
        read_params(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_alias_to_what_it_is_in_is_refused():
    tree = copy.deepcopy(PRESETS["synthetic"])
    tree["train"]["seeds"] = tree
    with pytest.raises(CalseError, match=r"params\.yaml"):
        check_params(tree)


# Names

printable = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), min_size=1, max_size=30)


@quick
@given(text=st.text(max_size=40))
def test_a_normalised_gloss_stays_as_it_is(text):
    assert normalise_gloss(normalise_gloss(text)) == normalise_gloss(text)


@quick
@given(first=printable, second=printable, take=st.integers(0, 999_999))
def test_clip_ids_are_short_plain_file_names_and_differ_with_the_gloss(first, second, take):
    name = clip_id("SACU", normalise_gloss(first), take)
    assert set(name) <= set(string.ascii_letters + string.digits + "-")
    assert len(name) < 128
    assume(normalise_gloss(first) != normalise_gloss(second))
    assert name != clip_id("SACU", normalise_gloss(second), take)
    ids = clip_ids("SACU", [(normalise_gloss(gloss), signer, take) for gloss in (first, second) for signer in "ab"])
    assert (
        len({one.casefold() for one in ids}) == 4
        or normalise_gloss(first).casefold() == normalise_gloss(second).casefold()
    )


def test_glosses_of_another_script_never_share_a_file_name():
    glosses = [chr(code) for code in range(0x4E00, 0x4E00 + 5000)]
    assert len({slug(gloss) for gloss in glosses}) == len(glosses)


# Manifests, splits and indices

word = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), max_size=12)
counted = st.integers(1, 10**6)
clips = st.builds(
    Clip,
    *[word] * 4,
    counted,
    *[word] * 5,
    counted,
    counted,
    st.floats(0.1, 240),
    counted,
    st.just('{"by":"ingest"}'),
)


@quick
@given(listed=st.lists(clips, max_size=4, unique_by=lambda clip: clip.clip))
def test_any_manifest_reads_back_as_it_was(tmp_path, listed):
    write_manifest(tmp_path / "m.csv", listed)
    assert read_manifest(tmp_path / "m.csv") == sorted(listed, key=lambda clip: clip.clip)


CLIP = Clip("S-NO-1", "NO", "S", "ana", 1, "", "", "data/a.mp4", "ab", "cd", 64, 48, 29.97, 12, '{"by":"ingest"}')


def damaged(data, text):
    """Overwrite a part of a text with anything."""
    raw = text.encode()
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 20)))
    return raw[:start] + data.draw(st.binary(max_size=10)) + raw[end:]


def header_and(*rows):
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


CLIP_ROW = [getattr(CLIP, name) for name in COLUMNS]
SPLIT = header_and([*COLUMNS, "SACU", "STS"], [*CLIP_ROW, "train", "test"], [*CLIP_ROW, "", "train"])
READERS = {
    "manifest": (read_manifest, header_and(COLUMNS, CLIP_ROW, CLIP_ROW)),
    "split": (read_split, SPLIT),
    "table": (lambda path: offers_of(path, None), "file,gloss,signer,take\na.mp4,A,Ana,1\nb.mp4,B,,\n"),
}


@pytest.mark.parametrize("kind", READERS)
@quick
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_by_name(tmp_path, kind, data):
    reader, text = READERS[kind]
    path = tmp_path / "file.csv"
    path.write_bytes(damaged(data, text))
    said = refusal(reader, path)
    assert not said or "file.csv" in said


@quick
@given(data=st.data())
def test_a_damaged_index_of_raw_videos_is_read_or_refused_by_name(tmp_path, data):
    write_index(tmp_path, [RawVideo("a.mp4", "A", "Ana", 1, "0" * 64), RawVideo("b.mp4", "B", "Ana", 2, "1" * 64)])
    path = tmp_path / "clips.csv"
    path.write_bytes(damaged(data, path.read_text()))
    said = refusal(read_index, tmp_path)
    assert "clips.csv" in said if said else all("/" not in video.file for video in read_index(tmp_path))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("fps", "nan"),
        ("fps", "0"),
        ("frames", "-1"),
        ("width", "0"),
        ("made", "x"),
        ("made", "[1]"),
        ("take", "9" * 5000),
    ],
)
def test_a_clip_that_cannot_be_is_refused_by_line(tmp_path, column, value):
    row = dict(zip(COLUMNS, CLIP_ROW, strict=True)) | {column: value}
    (tmp_path / "m.csv").write_text(header_and(COLUMNS, list(row.values())))
    with pytest.raises(CalseError, match=r"m\.csv:2 is not a clip"):
        read_manifest(tmp_path / "m.csv")


def test_a_row_of_another_length_is_refused(tmp_path):
    (tmp_path / "m.csv").write_text("a,b\n1,2\n3,4,5\n")
    with pytest.raises(CalseError, match="row 2 has more cells"):
        read_rows(tmp_path / "m.csv", ["a"])


# Splits

SOURCES = ("SACU", "STS", "INTERPRETER")


@st.composite
def corpora(draw):
    """Filmed clips of three sources and clips made from some of them."""
    cells = draw(st.sets(st.tuples(st.sampled_from(SOURCES), st.sampled_from("ABC"), st.integers(1, 3)), min_size=1))
    filmed = [
        replace(CLIP, clip=name, source=cell[0], gloss=cell[1], take=cell[2], content=name, sha256=f"file {name}")
        for cell in sorted(cells)
        for name in [clip_id(*cell)]
    ]
    parents = draw(st.lists(st.sampled_from(filmed), max_size=6))
    children = ((f"AF-{number}", clip) for number, clip in enumerate(parents))
    made = [replace(clip, clip=name, set="AF", parent=clip.clip, content="", sha256=name) for name, clip in children]
    return filmed, made


@quick
@given(corpus=corpora(), test_source=st.sampled_from(SOURCES))
def test_no_clip_of_the_test_source_and_no_child_of_one_ever_trains(corpus, test_source):
    filmed, made = corpus
    check_leaks(filmed, made)
    train = [clip for clip in filmed + made if role(clip, test_source) == "train"]
    test = [clip for clip in filmed + made if role(clip, test_source) == "test"]
    assert {clip.clip for clip in test} == {clip.clip for clip in filmed if clip.source == test_source}
    hidden = {clip.clip for clip in test}
    assert not {clip.clip for clip in train} & hidden
    assert not {clip.parent for clip in train} & hidden
    assert len(train) == sum(clip.source != test_source for clip in filmed + made)


@quick
@given(corpus=corpora(), data=st.data())
def test_a_copy_that_changed_sides_and_a_recording_in_two_sources_are_found(corpus, data):
    filmed, made = corpus
    wrong = data.draw(st.sampled_from(filmed))
    elsewhere = data.draw(st.sampled_from([source for source in SOURCES if source != wrong.source]))
    with pytest.raises(CalseError, match="another source"):
        check_leaks(
            filmed, [*made, replace(wrong, clip="AF-x", parent=wrong.clip, source=elsewhere, content="", sha256="x")]
        )
    with pytest.raises(CalseError, match="same recording"):
        check_leaks([*filmed, replace(wrong, clip="twin", source=elsewhere)], made)
