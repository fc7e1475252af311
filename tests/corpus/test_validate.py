import dataclasses
import json
import re

import pytest

from calse.config.params import Source
from calse.corpus.gate import suites
from calse.corpus.gate.validate import validate
from calse.data.clips import Clip, clip_id, compact_json
from calse.data.manifests import read_manifest, write_manifest, write_rows
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.files import write_json
from videos import small_params

GLOSSES = ["AÑO", "NO", "NULL"]
RAW = {"raw_width": 64, "raw_height": 48, "raw_fps": 25.0, "raw_frames": 30}


def make_clip(layout, source, gloss, take=1, content="", **raw):
    name = clip_id(source, gloss, take)
    path = layout.clips(source) / f"{name}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"video")
    return Clip(
        clip=name,
        gloss=gloss,
        source=source,
        signer=source,
        take=take,
        set="",
        parent="",
        path=path.relative_to(layout.root).as_posix(),
        sha256="",
        content=content or name,
        width=64,
        height=48,
        fps=25.0,
        frames=30,
        made=compact_json(RAW | raw),
    )


def lay_source(layout, source, clips, dropped=()):
    write_manifest(layout.source_manifest(source), clips)
    write_json(layout.metrics("ingest") / f"{source}.json", {"dropped": [{"gloss": gloss} for gloss in dropped]})


@pytest.fixture
def layout(tmp_path):
    """A corpus of two sources that is as it should be."""
    layout = Layout(tmp_path)
    write_rows(layout.glossary("mine"), ["gloss"], ({"gloss": gloss} for gloss in GLOSSES))
    for source in ("SACU", "STS"):
        lay_source(layout, source, [make_clip(layout, source, gloss) for gloss in GLOSSES])
    return layout


PARAMS = small_params(glosses=3, sources=("SACU", "STS"))


def change(layout, source, gloss, /, **changes):
    """Rewrite one row of a manifest."""
    clips = [
        dataclasses.replace(clip, **changes) if clip.gloss == gloss else clip
        for clip in read_manifest(layout.source_manifest(source))
    ]
    write_manifest(layout.source_manifest(source), clips)


def outcome(layout, source):
    return json.loads((layout.metrics("validate") / f"{source}.json").read_text())


def failed(layout, source):
    return {o["text"]: o["offenders"] for o in outcome(layout, source)["outcomes"] if not o["passed"]}


def test_a_good_corpus_passes_with_the_same_bytes_each_time(layout):
    written = []
    for _ in range(2):
        validate(PARAMS, layout)
        written.append({path.name: path.read_bytes() for path in layout.metrics("validate").iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"glossary.json", "SACU.json", "STS.json", "index.html"}
    assert outcome(layout, "STS")["passed"] is True
    assert len(outcome(layout, "STS")["outcomes"]) == 13
    assert failed(layout, "STS") == {}


def test_licence_and_consent_stand_beside_what_was_found(layout):
    sources = PARAMS.corpus.sources | {"STS": Source("public", 1, "CC <BY> 4.0", "in writing", share=False)}
    validate(dataclasses.replace(PARAMS, corpus=dataclasses.replace(PARAMS.corpus, sources=sources)), layout)
    assert outcome(layout, "STS")["summary"].endswith("; licence: CC <BY> 4.0; consent: in writing; not to be shared")
    assert "licence: CC &lt;BY&gt; 4.0" in (layout.metrics("validate") / "index.html").read_text(encoding="utf-8")
    assert "licence" not in outcome(layout, "SACU")["summary"]


def test_nothing_passes_while_dvc_would_push_what_is_not_to_be_shared(layout):
    sources = PARAMS.corpus.sources | {"STS": Source("public", 1, share=False)}
    (layout.root / "dvc.yaml").write_text("stages: {ingest: {outs: ['data/clips/${item.source}']}}")
    with pytest.raises(CalseError, match=r"STS is not to be shared.*dvc\.yaml.*data/clips/.*run: calse withhold"):
        validate(dataclasses.replace(PARAMS, corpus=dataclasses.replace(PARAMS.corpus, sources=sources)), layout)


@pytest.mark.parametrize(
    ("donated", "found"),
    [
        ({"signer": "ana  PÉREZ"}, "ana  PÉREZ signs in the test source SACU too"),
        ({"sha256": "film"}, "DONOR-1-HI-1 is the test clip SACU-NO-1"),
        ({"signer": "Luis"}, None),
    ],
)
def test_a_donor_who_is_tested_on_stops_the_corpus_before_a_model_is_trained(layout, donated, found):
    change(layout, "SACU", "NO", signer="Ana Pe\u0301rez", sha256="film")
    lay_source(layout, "DONOR-1", [dataclasses.replace(make_clip(layout, "DONOR-1", "HI"), **donated)])
    sources = PARAMS.corpus.sources | {"DONOR-1": Source("donor", None)}
    corpus = dataclasses.replace(PARAMS.corpus, sources=sources)
    params = dataclasses.replace(PARAMS, corpus=corpus, test_sources=("SACU",))
    if found is None:
        validate(params, layout)
        return
    with pytest.raises(CalseError, match=r"source DONOR-1, gloss HI, clip DONOR-1-HI-1: .*nobody who is tested on"):
        validate(params, layout)
    offender = {"clip": "DONOR-1-HI-1", "gloss": "HI", "tested on": found}
    assert failed(layout, "DONOR-1") == {"nobody who is tested on lends a face": [offender]}


def test_a_missing_gloss_stops_the_corpus_and_is_named(layout):
    clips = [clip for clip in read_manifest(layout.source_manifest("STS")) if clip.gloss != "AÑO"]
    write_manifest(layout.source_manifest("STS"), clips)
    with pytest.raises(CalseError, match=r"^source STS, gloss AÑO: .*exactly 1.*index\.html$"):
        validate(PARAMS, layout)
    assert list(failed(layout, "STS").values()) == [[{"clips": 0, "gloss": "AÑO"}]]
    assert outcome(layout, "SACU")["passed"] is True


def test_a_gloss_lost_by_a_named_drop_is_a_warning(layout, capsys):
    clips = [clip for clip in read_manifest(layout.source_manifest("STS")) if clip.gloss != "NO"]
    lay_source(layout, "STS", clips, dropped=["NO"])
    validate(PARAMS, layout)
    assert failed(layout, "STS") == {"no clip was dropped at ingest": [{"dropped clips": 1, "gloss": "NO"}]}
    assert "1 warning" in capsys.readouterr().err


def test_too_many_clips_of_a_gloss_stop_the_corpus(layout):
    clips = [*read_manifest(layout.source_manifest("SACU")), make_clip(layout, "SACU", "NULL", take=2)]
    write_manifest(layout.source_manifest("SACU"), clips)
    with pytest.raises(CalseError, match="source SACU, gloss NULL: "):
        validate(PARAMS, layout)


def test_the_same_recording_in_two_sources_names_both_clips(layout):
    change(layout, "STS", "NO", content="SACU-NO-1")
    with pytest.raises(CalseError, match="source STS, gloss NO, clip STS-NO-1: .*same content as: SACU-NO-1"):
        validate(PARAMS, layout)


def test_clips_of_two_sources_with_one_id_are_named_before_a_split_is_made(layout):
    change(layout, "STS", "NO", clip="sacu-NO-1")
    with pytest.raises(
        CalseError, match="source STS, gloss NO: clip sacu-NO-1 is called as one of gloss NO of source SACU"
    ):
        validate(PARAMS, layout)


def test_the_same_recording_under_two_glosses_of_a_source_is_found(layout):
    change(layout, "SACU", "NULL", content="SACU-NO-1")
    with pytest.raises(CalseError, match="clip SACU-NULL-1.*same content as: SACU-NO-1"):
        validate(PARAMS, layout)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gloss": "HOLA"}, "gloss HOLA, clip STS-NO-1: .*in the glossary"),
        ({"clip": "STS-NULL-1"}, "gloss NO, clip STS-NULL-1: .*unique"),
        ({"path": "data/clips/STS/gone.mp4"}, "gloss NO, clip STS-NO-1: .*every file is there"),
        ({"made": compact_json(RAW | {"raw_frames": 1})}, "gloss NO, clip STS-NO-1: .*moves"),
    ],
)
def test_what_could_not_train_stops_the_corpus(layout, changes, words):
    change(layout, "STS", "NO", **changes)
    with pytest.raises(CalseError, match=f"source STS, {words}") as error:
        validate(PARAMS, layout)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("raw", "column"),
    [
        ({"raw_frames": 5}, "raw frames"),
        ({"raw_fps": 5.0}, "raw frames a second"),
        ({"raw_height": 16}, "raw short side"),
        ({"raw_width": 5000}, "raw long side"),
    ],
)
def test_odd_rates_lengths_and_sizes_warn_only(layout, raw, column):
    change(layout, "STS", "NO", made=compact_json(RAW | raw))
    validate(PARAMS, layout)
    [(text, offenders)] = failed(layout, "STS").items()
    assert text.startswith(f"{column}:")
    assert offenders == [{column: next(iter(raw.values())), "clip": "STS-NO-1", "gloss": "NO"}]


def test_a_clip_that_may_not_look_as_filmed_is_a_warning_with_the_reason(layout, capsys):
    change(layout, "STS", "NO", made=compact_json(RAW | {"doubts": ["its player tilts it"]}))
    validate(PARAMS, layout)
    [offenders] = failed(layout, "STS").values()
    assert offenders == [{"doubts": "its player tilts it", "clip": "STS-NO-1", "gloss": "NO"}]
    assert "1 warning in " in capsys.readouterr().err


def test_a_glossary_of_another_length_stops_the_corpus(layout):
    write_rows(layout.glossary("mine"), ["gloss"], ({"gloss": gloss} for gloss in [*GLOSSES, "MÁS"]))
    with pytest.raises(CalseError, match=r"the glossary: .*3 glosses.*found: 4.*\(and 2 more\)"):
        validate(PARAMS, layout)


def test_an_empty_source_lacks_every_gloss(layout):
    write_manifest(layout.source_manifest("STS"), [])
    with pytest.raises(CalseError, match=r"source STS, gloss AÑO: .*\(and 2 more\)"):
        validate(PARAMS, layout)


def test_the_page_needs_nothing_else_and_escapes_what_it_shows(layout):
    change(layout, "STS", "NO", gloss="<script>alert(1)</script>")
    with pytest.raises(CalseError):
        validate(PARAMS, layout)
    page = (layout.metrics("validate") / "index.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert not re.findall(r"<script|https?://|<link|src=", page)
    assert all(text in page for text in ("STS-NO-1", "SACU", "fails"))


def test_a_check_that_breaks_is_no_outcome_of_the_data():
    broken = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "none"}, "description": "is odd"}
    with pytest.raises(CalseError, match="source STS: the check 'is odd' could not be made"):
        tried(broken)


def tried(*suite, signers=("Ana", "Ana"), **parameters):
    clips = [make_clip(Layout(), "STS", gloss) for gloss in ("NO", "SÍ")]
    clips = [dataclasses.replace(clip, signer=signer) for clip, signer in zip(clips, signers, strict=True)]
    table = suites.clip_table(clips, clips, {}, {}, Layout().root)
    return suites.run_suite(suites.open_context(), "STS", list(suite), table, parameters)


def test_any_expectation_of_great_expectations_can_be_added_to_a_suite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = {
        "type": "expect_column_values_to_match_regex",
        "kwargs": {"column": "signer", "regex": {"$PARAMETER": "form"}},
    }
    named |= {"severity": "warning", "description": "signers are like {form}"}
    [outcome] = tried(named, signers=("Ana", "7"), form="[A-Z]")
    assert (outcome.text, outcome.severity, outcome.passed) == ("signers are like [A-Z]", "warning", False)
    assert outcome.offenders == [{"signer": "7", "clip": "STS-SI-da81-1", "gloss": "SÍ"}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "expect_nothing"}, "expect_nothing"),
        ({"kwargs": {}}, "column"),
        (
            {
                "type": "expect_column_values_to_match_regex",
                "kwargs": {"column": "clip", "regex": {"$PARAMETER": "form"}},
            },
            "form",
        ),
        ({"description": "is like {form}"}, "form"),
    ],
)
def test_a_suite_that_was_written_wrong_is_named_in_one_line(tmp_path, monkeypatch, change, words):
    monkeypatch.chdir(tmp_path)
    good = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "clip"}, "description": "ids are unique"}
    with pytest.raises(CalseError, match=rf"suites\.yaml cannot be put to STS: .*{words}") as error:
        tried(good | change)
    assert "\n" not in str(error.value)


def test_a_training_source_and_a_donor_need_what_is_done_with_them(layout):
    lay_source(layout, "DONOR", [make_clip(layout, "DONOR", gloss) for gloss in GLOSSES[:1]])
    denied = {"STS": Source("public", 1, train=False), "DONOR": Source("donor", None, swap=False)}
    params = dataclasses.replace(
        PARAMS, corpus=dataclasses.replace(PARAMS.corpus, sources=PARAMS.corpus.sources | denied)
    )
    with pytest.raises(
        CalseError, match=r"source STS, gloss .*: fails 'everybody allows .* \(not allowed: train\) \(and 3"
    ):
        validate(params, layout)
    text = "everybody allows what is done with a clip, as `calse consent` shows it"
    assert [row["not allowed"] for row in failed(layout, "DONOR")[text]] == ["swap"]
    assert failed(layout, "SACU") == {}
