"""A long recording with ELAN annotations becomes a source; predictions become a tier; each read back by pympi."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calse.browse.annotate import BEST, TEN, annotate
from calse.cli.importing import importing
from calse.corpus.importing import import_folder
from calse.corpus.raw import read_index
from calse.corpus.recordings import cut_recordings
from calse.data.elan import Annotation, read_tier, write_tiers
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames
from videos import moving

elan = pytest.importorskip("pympi.Elan", reason='needs the extra "annotations"')
FPS = 25


@pytest.fixture
def recording(tmp_path):
    """Two seconds of video and an ELAN file that ELAN itself could have written, in a folder with a blank."""
    folder = tmp_path / "session 1"
    folder.mkdir()
    frames = moving(50, 48, 64)
    write_video(folder / "long.mp4", frames, FPS)
    eaf = elan.Eaf()
    eaf.add_linked_file("file:///elsewhere/long.mp4", relpath="./long.mp4", mimetype="video/mp4")
    eaf.add_tier("GLOSS", part="Ana")
    for start, end, gloss in ((200, 680, "AÑO"), (1000, 1400, "NO"), (1400, 1920, "AÑO")):
        eaf.add_annotation("GLOSS", start, end, gloss)
    eaf.add_tier("empty")
    eaf.to_file(str(folder / "long.eaf"))
    return folder / "long.eaf", frames


def test_every_annotation_becomes_a_video_of_its_gloss_and_signer(recording, tmp_path):
    file, frames = recording
    (tmp_path / "cut").mkdir()
    layout = Layout(tmp_path)
    report = import_folder(cut_recordings([file], "GLOSS", tmp_path / "cut"), layout, "mine", "SACU")
    assert not [offer.refusal for offer in report.offers if offer.refusal]
    videos = read_index(layout.raw("mine") / "SACU")
    assert [(video.gloss, video.signer, video.take) for video in videos] == [
        ("AÑO", "Ana", 1), ("AÑO", "Ana", 2), ("NO", "Ana", 1),
    ]  # fmt: skip
    for video, span in zip(videos, ((5, 17), (35, 48), (25, 35)), strict=True):
        shown = read_frames(layout.raw("mine") / "SACU" / video.file)
        assert len(shown) == span[1] - span[0]
        for place, picture in enumerate(shown):
            errors = np.abs(frames.astype(int) - picture).mean(axis=(1, 2, 3))
            assert errors.argmin() == span[0] + place


def test_an_annotation_behind_the_end_is_refused_by_name_and_the_others_are_taken(recording, tmp_path):
    file, _ = recording
    eaf = elan.Eaf(str(file))
    eaf.add_annotation("GLOSS", 5000, 6000, "SUR")
    eaf.to_file(str(file))
    (tmp_path / "cut").mkdir()
    report = import_folder(cut_recordings([file], "GLOSS", tmp_path / "cut"), Layout(tmp_path), "mine", "SACU")
    assert [(offer.name, offer.refusal) for offer in report.offers if offer.refusal] == [
        ("1-0004-at-5.00s.mp4", "is missing")
    ]
    assert len(report.taken) == 3


@pytest.mark.parametrize(
    ("tier", "says"),
    [("GONE", r"has no tier 'GONE'; those are: default, GLOSS, empty"), ("empty", "tier empty has no annotation")],
)
def test_a_tier_that_is_not_there_or_empty_is_named(recording, tmp_path, tier, says):
    with pytest.raises(CalseError, match=says):
        cut_recordings([recording[0]], tier, tmp_path)


def test_files_that_cannot_be_read_are_named(recording, tmp_path):
    file, _ = recording
    with pytest.raises(CalseError, match="gone.eaf is missing"):
        cut_recordings([tmp_path / "gone.eaf"], "GLOSS", tmp_path)
    (tmp_path / "text.eaf").write_text("<no")
    with pytest.raises(CalseError, match="text.eaf is no ELAN file"):
        cut_recordings([tmp_path / "text.eaf"], "GLOSS", tmp_path)
    (file.parent / "long.mp4").write_bytes(b"this is no video")
    with pytest.raises(CalseError, match="long.eaf: its video "):
        cut_recordings([file], "GLOSS", tmp_path)
    (file.parent / "long.mp4").unlink()
    with pytest.raises(CalseError, match="its video long.mp4 does not lie beside it"):
        cut_recordings([file], "GLOSS", tmp_path)


def test_predictions_become_tiers_that_elan_and_the_import_read(recording, tmp_path):
    video, target = recording[0].parent / "long.mp4", tmp_path / "long.eaf"
    annotate([(video, [("AÑO", 0.75), ("NO", 0.25)], target)], 60)
    eaf = elan.Eaf(str(target))
    assert list(eaf.tiers) == [BEST, TEN]
    assert eaf.get_annotation_data_for_tier(BEST) == [(0, 2000, "AÑO")]
    assert eaf.get_annotation_data_for_tier(TEN) == [(0, 2000, "AÑO 75.0 %, NO 25.0 %")]
    first = target.read_bytes()
    annotate([(video, [("AÑO", 0.75), ("NO", 0.25)], target)], 60)
    assert target.read_bytes() == first


def test_a_tier_is_read_as_it_was_written(recording, tmp_path):
    spans = [Annotation(0.1, 0.5, "NO"), Annotation(0.5, 1.234, "AÑO")]
    target = recording[0].parent / "again.eaf"
    write_tiers(target, recording[0].parent / "long.mp4", {"GLOSS": spans})
    found = read_tier(target, "GLOSS")
    assert found.annotations == tuple(spans)
    assert found.video == Path(recording[0].parent / "long.mp4")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--corpus", "a", "--source", "b"], "name a FOLDER"),
        (["x", "--elan", "x.eaf", "--tier", "t", "--corpus", "a", "--source", "b"], "name a FOLDER"),
        (["--elan", "x.eaf", "--corpus", "a", "--source", "b"], "--elan and --tier go together"),
        (["x", "--tier", "t", "--corpus", "a", "--source", "b"], "--elan and --tier go together"),
        (["--corrections", "c.csv", "--takes", "2"], "goes with --add-glosses alone"),
    ],
)
def test_options_that_would_be_ignored_are_refused(options, says):
    error = CliRunner().invoke(importing, options).exception
    assert isinstance(error, CalseError)
    assert says in str(error)
