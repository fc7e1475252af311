"""A source that is not to be shared: said where people see it, and kept out of `dvc push` by DVC's own flags."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from calse.config.params import Source
from calse.corpus.withhold import check_withheld, withhold
from calse.data.consent import terms_of
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from videos import small_params

ROOT = Path(__file__).parents[2]
PARAMS = small_params(sources=("SACU", "STS"))
KEPT = Source("public", 1, "CC BY-NC 4.0", "signed 2026, research only", share=False)


def with_source(params, name, source):
    corpus = replace(params.corpus, sources=params.corpus.sources | {name: source})
    return replace(params, corpus=corpus)


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    return Layout()


def test_terms_are_one_line():
    assert terms_of(KEPT) == "licence: CC BY-NC 4.0; consent: signed 2026, research only; not to be shared"
    assert terms_of(Source("public", 1)) == ""


def test_every_output_of_the_pipeline_that_shows_people_is_flagged_and_nothing_else_changes(layout):
    params = with_source(PARAMS, "SACU", KEPT)
    with pytest.raises(CalseError, match=r"source SACU is not to be shared.* dvc\.yaml .*data/raw/.*calse withhold"):
        check_withheld(params, layout)
    assert withhold(params, layout) == [Path("dvc.yaml")]
    check_withheld(params, layout)
    assert withhold(params, layout) == []
    paths = ["raw/${item.corpus}", "clips/${item.source}", "augmented/${key}", "landmarks/${item.source}"]
    paths += ["models/faceswap/${key}", "augmented/${key}", "augmented/OMIT-${item.source}"]
    paths += ["models/${item.recogniser}/${item.recipe}", "report/index.html"]
    flagged = [path if path.startswith("models") else f"data/{path}" for path in paths]
    before, after = (path.read_text().splitlines() for path in (ROOT / "dvc.yaml", Path("dvc.yaml")))
    changed = [(old.strip(), new.strip()) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [(f"- {path}", f"- {path}: {{push: false}}") for path in flagged]


@pytest.mark.parametrize(
    ("written", "withheld"),
    [
        ("- 'data/clips' # mine", "- 'data/clips': {push: false} # mine"),
        ("- data/clips: {persist: true}", "- data/clips: {push: false, persist: true}"),
        ("- data/clips: {push: true}", "- data/clips: {push: false}"),
        ("- data/clips:\n        persist: true", "- data/clips:\n        push: false\n        persist: true"),
    ],
)
def test_the_flag_is_written_however_an_output_is_listed(layout, written, withheld):
    text = "stages:\n  ingest:\n    outs:\n    %s\n  # the end\n"
    Path("dvc.yaml").write_text(text % written)
    assert withhold(with_source(PARAMS, "SACU", KEPT), layout) == [Path("dvc.yaml")]
    assert Path("dvc.yaml").read_text() == text % withheld
    check_withheld(with_source(PARAMS, "SACU", KEPT), layout)


def test_what_may_be_shared_is_pushed_as_ever(layout):
    before = Path("dvc.yaml").read_bytes()
    check_withheld(PARAMS, layout)
    assert withhold(PARAMS, layout) == []
    assert Path("dvc.yaml").read_bytes() == before


def test_a_tag_in_a_file_of_dvc_runs_nothing(layout):
    mark = Path("dvc.yaml").absolute().with_name("mark")
    Path("dvc.yaml").write_text(f"stages: !!python/object/apply:os.mkdir ['{mark}']\n")
    with pytest.raises(CalseError, match="dvc.yaml"):
        withhold(with_source(PARAMS, "SACU", KEPT), layout)
    assert not mark.exists()


def dvc(*arguments):
    from dvc.cli import main

    assert main(arguments) == 0


@pytest.mark.parametrize("added_first", [True, False])
def test_raw_videos_stay_here_whether_they_are_added_before_or_after(layout, added_first):
    Path("dvc.yaml").write_text("stages: {}\n")
    dvc("init", "--no-scm", "-q")
    dvc("remote", "add", "-q", "-d", "disk", "disk")
    for name in ("SACU", "STS"):
        (layout.raw("mine") / name).mkdir(parents=True)
        (layout.raw("mine") / name / "clip.mp4").write_text(name)
    sources = [str(layout.raw("mine") / name) for name in ("SACU", "STS")]
    params = with_source(PARAMS, "SACU", KEPT)
    if added_first:
        dvc("add", "-q", *sources)
        with pytest.raises(CalseError, match=r"SACU\.dvc lets `dvc push` send SACU"):
            check_withheld(params, layout)
    assert withhold(params, layout) == [layout.raw("mine") / "SACU.dvc"]
    if not added_first:
        dvc("add", "-q", *sources)
    check_withheld(params, layout)
    dvc("push", "-q")
    pushed = {path.read_text() for path in Path("disk").rglob("*") if path.is_file()}
    assert "STS" in pushed
    assert "SACU" not in pushed
    assert YAML(typ="safe").load(layout.raw("mine") / "SACU.dvc")["outs"][0]["nfiles"] == 1
