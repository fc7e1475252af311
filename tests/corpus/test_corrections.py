"""Corrections of imported videos: what is changed, what is refused and why, and that nothing else happens."""

import pytest

from calse.corpus.corrections import COLUMNS, correct, print_outcomes
from calse.corpus.importing import import_folder
from calse.corpus.raw import read_index
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from videos import write_clip


@pytest.fixture
def layout(tmp_path):
    """A corpus of one source, NO, SUR and AÑO once each."""
    layout = Layout(tmp_path)
    for number, gloss in enumerate(("NO", "SUR", "AÑO")):
        write_clip(tmp_path / "videos" / gloss / "a.mp4", seed=number)
    import_folder(tmp_path / "videos", layout, "mine", "SACU")
    return layout


def table(layout, *rows):
    """A table with a row each: what is changed of a clip whose gloss is the first word."""
    videos = {video.gloss: video for video in read_index(layout.raw("mine") / "SACU")}
    path = layout.root / "corrections.csv"
    known = {"corpus": "mine", "source": "SACU", "correction": "", "leave_out": ""}
    write_rows(
        path,
        COLUMNS,
        [known | {"clip": gloss, "gloss": gloss, "raw_sha256": videos[gloss].sha256} | row for gloss, row in rows],
    )
    return path


def index(layout):
    return [(video.gloss, video.take) for video in read_index(layout.raw("mine") / "SACU")]


def corrected(layout, path, **options):
    return [outcome.done or outcome.refused for outcome in correct(layout, path, ["synthetic"], ["LENT"], **options)]


def test_a_gloss_is_changed_with_the_next_free_take_and_a_clip_left_out_while_videos_stay(layout):
    folder = layout.raw("mine") / "SACU"
    videos = {path.name: path.read_bytes() for path in folder.glob("*.mp4")}
    path = table(layout, ("NO", {"correction": "sur"}), ("AÑO", {"leave_out": "yes"}))
    assert corrected(layout, path) == ["NO is SUR now, take 2", "left out"]
    assert index(layout) == [("SUR", 1), ("SUR", 2)]
    assert {path.name: path.read_bytes() for path in folder.glob("*.mp4")} == videos


def test_the_same_table_again_changes_nothing(layout, capsys):
    path = table(layout, ("NO", {"correction": "SUR"}), ("AÑO", {"leave_out": "yes"}))
    correct(layout, path, [], [])
    before = index(layout)
    outcomes = correct(layout, path, [], [])
    assert index(layout) == before
    assert "its gloss is SUR now, not NO" in outcomes[0].refused
    assert "left out already" in outcomes[1].refused
    with pytest.raises(CalseError, match="nothing was changed, 2 rows refused"):
        print_outcomes(outcomes)
    assert capsys.readouterr().out.startswith("refused NO: its gloss is SUR now")


def test_a_new_gloss_needs_the_glossary_or_leave(layout):
    path = table(layout, ("NO", {"correction": "CASA"}), ("SUR", {"correction": "AÑO"}))
    assert corrected(layout, path) == [
        "gloss CASA is not in the glossary; --add-glosses adds it",
        "SUR is AÑO now, take 2",
    ]
    assert index(layout) == [("AÑO", 1), ("AÑO", 2), ("NO", 1)]
    path = table(layout, ("NO", {"correction": "CASA"}))
    assert corrected(layout, path, add_glosses=True) == ["NO is CASA now, take 1"]
    assert "CASA" in layout.glossary("mine").read_text(encoding="utf-8").split()


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"raw_sha256": "0" * 64}, "no video of this source has its hash"),
        ({"raw_sha256": ""}, "no video of this source has its hash"),
        ({"leave_out": "perhaps"}, "leave_out is yes or nothing"),
        ({"correction": " no "}, "nothing is to be changed"),
        ({}, "nothing is to be changed"),
    ],
)
def test_a_row_that_cannot_be_applied_is_refused_with_the_reason(layout, row, why):
    before = index(layout)
    assert why in corrected(layout, table(layout, ("NO", row)))[0]
    assert index(layout) == before


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"source": "GONE"}, "source 'GONE' of corpus 'mine' is not imported"),
        ({"source": "../SACU"}, "source '../SACU' of corpus 'mine' is not imported"),
        ({"corpus": "synthetic"}, "corpus synthetic is made by the stage synthesise"),
    ],
)
def test_a_table_of_another_corpus_changes_nothing(layout, row, why):
    before = index(layout)
    path = table(layout, ("NO", {"leave_out": "yes"}), ("SUR", row))
    with pytest.raises(CalseError, match=why):
        correct(layout, path, ["synthetic"], [])
    assert index(layout) == before


def test_a_source_never_loses_its_last_video(layout):
    path = table(layout, *((gloss, {"leave_out": "yes"}) for gloss in ("NO", "SUR", "AÑO")))
    with pytest.raises(CalseError, match="source SACU would have no video left"):
        correct(layout, path, [], [])
    assert len(index(layout)) == 3
