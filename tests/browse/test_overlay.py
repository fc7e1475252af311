"""The overlay: what is found is drawn, everything else stays, and nothing is overwritten."""

from pathlib import Path

import numpy as np
import pytest

from calse.browse.overlay import HANDS, drawn, overlay
from calse.config.params import read_params
from calse.landmarks.record import no_landmarks
from calse.runtime.errors import CalseError
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames
from faces import filmed, with_models
from signers.signers import SOURCES


def test_a_hand_is_drawn_in_its_colour_and_an_empty_frame_stays():
    grey = np.full((2, 64, 64, 3), 90, np.uint8)
    landmarks = no_landmarks(2)
    landmarks.hands[1, 0] = np.column_stack([np.linspace(10, 50, 21), np.full(21, 30), np.zeros(21)])
    still, marked = drawn(iter(grey), landmarks)
    assert (still == 90).all()
    assert marked[30, 30].tolist() == list(HANDS[0])
    assert (marked[:25] == 90).all()
    assert (grey == 90).all()


def test_a_video_keeps_its_frames_and_shows_what_was_found(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    layout = with_models(tmp_path)
    studio = SOURCES["SACU"][0]
    frames = filmed(studio, studio, "NO")[0][10:14]
    video, target = tmp_path / "clip.mp4", tmp_path / "marked.mp4"
    write_video(video, frames, 25)
    params = read_params(Path(__file__).parents[2] / "presets/synthetic.yaml")
    found = overlay(params, layout, video, target)
    assert found.has_body.all()
    difference = np.abs(read_frames(target).astype(int) - read_frames(video)).max(axis=(0, 3))
    x, y = found.body[0, 12, :2].astype(int)
    assert difference[y - 2 : y + 3, x - 2 : x + 3].max() > 60
    assert np.median(difference) < 12  # but for the codec
    with pytest.raises(CalseError, match="exists; remove it"):
        overlay(params, layout, video, target)
    with pytest.raises(CalseError, match=r"marked\.txt: call it NAME\.mp4"):
        overlay(params, layout, video, tmp_path / "marked.txt")
    with pytest.raises(CalseError, match=r"none.mp4"):
        overlay(params, layout, tmp_path / "none.mp4", tmp_path / "other.mp4")
    assert not (tmp_path / "other.mp4").exists()
