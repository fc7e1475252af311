import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from calse.config.params import read_params
from calse.data.manifests import read_manifest, verify, write_manifest
from calse.faceswap.blur import MARGIN, SOFT, face_region, omit, strongly_blurred, without_faces
from calse.faceswap.mask import face_width, hand_mask
from calse.runtime.errors import CalseError
from calse.video.ours.read import read_frames
from faces import drawn_track, filmed, track_of, with_models, write_clip
from signers.signers import SOURCES

PARAMS = read_params(Path("presets/synthetic.yaml"))
NOISE = np.random.default_rng(5).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


def test_the_whole_face_goes_and_nothing_beyond_the_margin():
    track = drawn_track(3)
    blurred, width = without_faces(NOISE, track), face_width(track.face[0])
    region = face_region(track.face[0], 64, 64)
    assert (blurred[:, region == 0] == NOISE[:, region == 0]).all()
    assert blurred[:, region == 1].std() < NOISE[:, region == 1].std() / 8
    y, x = np.mgrid[:64, :64] - 32.0
    inside = (x / 12) ** 2 + (y / 16) ** 2 < 1
    assert (region[inside] == 1).all()
    reach = (MARGIN + SOFT) * width + 1.5
    assert (region[(x / (12 + reach)) ** 2 + (y / (16 + reach)) ** 2 > 1] == 0).all()


@pytest.mark.parametrize("deviation", [2, 6.5, 18])
def test_the_blur_is_gaussian_though_drawn_small(deviation):
    frame = filmed(SOURCES["SACU"][0], SOURCES["SACU"][0], "NO")[0][0]
    exact = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), deviation)
    difference = np.abs(strongly_blurred(frame, deviation) - exact)
    assert difference.max() < 8
    assert difference.mean() < 1


def test_a_hand_in_front_of_the_face_stays_sharp():
    track = drawn_track(3)
    track.hands[1, 0] = 32 + np.random.default_rng(1).uniform(-6, 6, (21, 3))
    blurred, covered = without_faces(NOISE, track), hand_mask(track.hands[1], 64, 64) == 1
    assert covered.sum() > 50
    assert (blurred[1][covered] == NOISE[1][covered]).all()
    assert (blurred[0][covered] != NOISE[0][covered]).mean() > 0.9


def test_a_frame_without_a_face_stays_as_it_is():
    track = drawn_track(3)
    track.face[1] = np.nan
    blurred = without_faces(NOISE, track)
    assert (blurred[1] == NOISE[1]).all()
    assert (blurred[2] != NOISE[2]).any()


@pytest.fixture(autouse=True)
def scratch_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A source of two clips: a signer, and an empty room."""
    layout = with_models(tmp_path_factory.mktemp("repository"))
    frames = filmed(SOURCES["SACU"][0], SOURCES["SACU"][0], "NO")[0][::4]
    videos = {"SACU-NO-1": frames, "SACU-ROOM-1": np.full_like(frames[:4], 90)}
    clips = [write_clip(layout, Path(f"data/clips/SACU/{name}.mp4"), video, "SACU") for name, video in videos.items()]
    write_manifest(layout.source_manifest("SACU"), clips)
    for clip in clips:
        track_of(layout, clip, videos[clip.clip])
    omit(PARAMS, layout, "SACU")
    return layout


def test_nobody_can_be_recognised_and_what_was_left_is_counted(repository):
    metrics = json.loads((repository.metrics("omit") / "SACU.json").read_text())
    assert metrics["not_recognised"] == 1
    assert metrics["distance_to_original"]["q25"] > 0.6
    assert metrics["clips_without_a_face"] == ["SACU-ROOM-1"]
    assert metrics["frames_left_unchanged"] == 4
    assert metrics["share_blurred"] == pytest.approx(1 - 4 / metrics["frames"], abs=1e-4)


def test_each_copy_is_its_parents_with_only_the_face_gone(repository):
    parents = {clip.clip: clip for clip in read_manifest(repository.source_manifest("SACU"))}
    copies = read_manifest(repository.omitted_manifest("SACU"))
    assert {copy.parent for copy in copies} == set(parents)
    for copy in copies:
        parent = parents[copy.parent]
        kept = {"clip": copy.clip, "set": "OMIT-SACU", "parent": parent.clip}
        assert copy == replace(parent, **kept, path=copy.path, sha256=copy.sha256, made=copy.made)
        before, after = (read_frames(verify(clip, repository.root)) for clip in (parent, copy))
        assert before.shape == after.shape
        assert np.abs(before[:, -64:].astype(int) - after[:, -64:]).mean() < 2  # the codec


def test_equal_clips_give_equal_bytes(repository):
    first = repository.omitted_manifest("SACU").read_bytes()
    omit(PARAMS, repository, "SACU")
    assert repository.omitted_manifest("SACU").read_bytes() == first


def test_a_damaged_track_stops_the_stage_and_leaves_what_was_there(repository):
    track = repository.landmarks("SACU") / "SACU-ROOM-1.npz"
    sound, clips = track.read_bytes(), sorted(repository.omitted("SACU").iterdir())
    track.write_bytes(sound[:100])
    with pytest.raises(CalseError, match=r"SACU-ROOM-1\.npz"):
        omit(PARAMS, repository, "SACU")
    assert sorted(repository.omitted("SACU").iterdir()) == clips
    track.write_bytes(sound)
