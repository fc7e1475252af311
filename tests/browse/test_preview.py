"""Previews: the original beside the result, a video beside its best glosses, never in the place of anything."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calse.browse.preview import glosses_picture, preview_predictions, preview_swaps, preview_targets
from calse.cli.looking import looking
from calse.config.params import read_params
from calse.landmarks.following import load_networks
from calse.runtime.errors import CalseError
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames
from calse.video.untrusted.decode import iterate_frames
from faces import filmed, with_models
from signers.signers import SOURCES
from videos import moving, write_clip

PRESET = Path(__file__).parents[2] / "presets/synthetic.yaml"
PARAMS = read_params(PRESET)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def test_the_original_is_on_the_left_the_result_on_the_right_at_its_own_times(tmp_path):
    frames = moving(4, 48, 64)
    times = (0.0, 0.04, 0.4, 0.5, 0.7)
    write_video(tmp_path / "a.mp4", frames, 10, times=times)
    write_video(tmp_path / "result.mp4", 255 - frames, 10, times=times)
    target = tmp_path / "look/a.mp4"
    preview_swaps(PARAMS, [(tmp_path / "a.mp4", tmp_path / "result.mp4", target)])
    shown = read_frames(target).astype(int)
    assert shown.shape == (4, 48, 128, 3)
    unlabelled = np.s_[:, :24]
    assert np.abs(shown[:, :, :64][unlabelled] - frames[unlabelled]).mean() < 12
    assert np.abs(shown[:, :, 64:][unlabelled] - (255 - frames.astype(int))[unlabelled]).mean() < 12
    assert [frame.seconds for frame in iterate_frames(target)] == pytest.approx(times[:4])
    assert b"synthetic face" in target.read_bytes()
    assert not list(tmp_path.glob(".scratch/**/*.mp4"))


def test_a_preview_takes_the_place_of_nothing(tmp_path):
    video = write_clip(tmp_path / "a.mp4")
    with pytest.raises(CalseError, match="previews show the originals; choose another folder"):
        preview_targets(tmp_path / "out", [video], tmp_path / "x/../out")
    with pytest.raises(CalseError, match=r"a.mp4 exists; remove it"):
        preview_targets(tmp_path, [video])
    with pytest.raises(CalseError, match="another video would become"):
        preview_targets(tmp_path / "out", [video, tmp_path / "other/a.webm"])
    assert preview_targets(tmp_path / "out", [video], tmp_path / "made") == [tmp_path / "out/a.mp4"]


def test_bars_are_as_long_as_the_probabilities_and_names_fit():
    picture = glosses_picture([("AÑO", 0.75), ("A-VERY-LONG-GLOSS-THAT-NO-COLUMN-HOLDS", 0.25)], 200)
    assert picture.shape == (200, 160, 3)
    bars = (picture == (52, 84, 120)).all(axis=2)
    assert [int(bars[row].nonzero()[0].max()) for row in (2, 22)] == [120, 40]
    ink = picture[20:40].astype(int).sum(axis=2) > 500
    assert not ink[:, 120:126].any(), "a name stops before its probability"


def test_a_prediction_is_shown_with_landmarks_beside_its_glosses(tmp_path):
    layout = with_models(tmp_path)
    studio = SOURCES["SACU"][0]
    frames = filmed(studio, studio, "NO")[0][10:14]
    video, target = tmp_path / "clip.mp4", tmp_path / "look/clip.mp4"
    write_video(video, frames, 25)
    preview_predictions(PARAMS, layout, [(video, [("NO", 0.9), ("AÑO", 0.1)], target)])
    shown, width = read_frames(target), frames.shape[2]
    assert shown.shape[:2] == frames.shape[:2]
    assert shown.shape[2] > width
    changed = np.abs(shown[:, :, :width].astype(int) - frames).max(axis=-1) > 60
    assert 0.005 < changed.mean() < 0.2, "landmarks are drawn in, the rest is the video"
    assert (shown[:, :, width:] == shown[:1, :, width:]).mean() > 0.9


def test_predict_names_what_a_preview_lacks_before_it_reads_a_video(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PRESET.read_text(encoding="utf-8"), encoding="utf-8")
    Path("seed-1.safetensors").touch()
    load_networks.cache_clear()  # another test of this process may have loaded those of its working directory
    done = CliRunner().invoke(looking, ["predict", "seed-1.safetensors", "a.mp4", "--preview", "look"])
    assert isinstance(done.exception, CalseError)
    assert "models/published" in str(done.exception)
