"""Landmarks of generated clips, held against a fresh detection on the clip itself."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from calse.data.clips import Clip, compact_json
from calse.data.paths import Layout
from calse.landmarks.following import landmarks_of_frames
from calse.landmarks.generated import landmarks_hash, landmarks_of, moved
from calse.landmarks.record import write_landmarks
from calse.runtime.errors import CalseError
from faces import FACES

TURN = np.radians(10)
LINEAR = 1.05 * np.array([[np.cos(TURN), 0.05 - np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]])
MATRIX = np.column_stack([LINEAR, [10, -35]])
MIRROR = np.array([[-1.0, 0, 341], [0, 1, 0]])


@pytest.fixture(scope="module")
def frames(jugar):
    return jugar[0][8:20]


@pytest.fixture(scope="module")
def parent(frames, networks):
    return landmarks_of_frames(frames, networks, FACES)


def clip(frames, made=None, name="AF1-SACU-NO-1-1"):
    filmed_clip = Clip("SACU-NO-1", "NO", "SACU", "A", 1, "", "", "", "", "", 342, 256, 25.0, frames, '{"raw":"none"}')
    return filmed_clip if made is None else replace(filmed_clip, clip=name, parent="SACU-NO-1", made=compact_json(made))


@pytest.mark.parametrize("matrix", [MATRIX, MIRROR], ids=["turned", "mirrored"])
def test_a_copy_has_its_parents_landmarks_where_a_fresh_detection_finds_them(frames, parent, networks, matrix):
    copies = [cv2.warpAffine(frame, matrix, (342, 256), borderMode=cv2.BORDER_REPLICATE) for frame in frames]
    fresh, followed = landmarks_of_frames(copies, networks, FACES), moved(parent, matrix)
    both = fresh.has_hands & followed.has_hands
    assert both.sum() > 0.8 * parent.has_hands.sum()
    away = np.linalg.norm(fresh.hands[both] - followed.hands[both], axis=-1)
    assert np.median(away) < 3.5  # pixels, of hands 40 to 60 pixels long; depth counts
    upper = [0, 11, 12]  # nose and shoulders, 100 pixels apart; the picture's edge hides an elbow in the copy
    assert np.median(np.linalg.norm(fresh.body[:, upper, :2] - followed.body[:, upper, :2], axis=-1)) < 7
    bones = [hands[both][:, 1:] - hands[both][:, :1] for hands in (fresh.hands_world, followed.hands_world)]
    cosine = (bones[0] * bones[1]).sum(axis=-1) / np.prod([np.linalg.norm(bone, axis=-1) for bone in bones], axis=0)
    assert np.median(cosine) > 0.95
    if matrix is MATRIX:
        assert np.median(np.abs(fresh.face - followed.face)[..., :2]) < 1
    else:
        assert not followed.has_face.any()


def test_each_clip_has_the_landmarks_that_follow_from_how_it_was_made(tmp_path, parent):
    layout = Layout(tmp_path)
    write_landmarks(layout.landmarks("SACU") / "SACU-NO-1.npz", parent)
    assert np.array_equal(landmarks_of(clip(12), layout).hands, parent.hands, equal_nan=True)
    copy = landmarks_of(clip(12, {"by": "affine", "matrix": MATRIX.tolist()}), layout)
    shoulder = parent.body[3, 11, :2]
    assert copy.body[3, 11, :2].tolist() == pytest.approx((MATRIX[:, :2] @ shoulder + MATRIX[:, 2]).tolist(), abs=1e-3)
    for by in ("swap", "omit"):
        changed = landmarks_of(clip(12, {"by": by}), layout)
        assert np.array_equal(changed.hands, parent.hands, equal_nan=True)
        assert np.array_equal(changed.body, parent.body)
        assert not changed.has_face.any()
        assert not changed.face_presence.any()


def test_what_does_not_follow_is_named(tmp_path, parent):
    layout = Layout(tmp_path)
    with pytest.raises(CalseError, match=r"SACU-NO-1.npz is missing"):
        landmarks_hash(clip(12), layout)
    with pytest.raises(CalseError, match=r"SACU-NO-1.npz is missing"):
        landmarks_of(clip(12), layout)
    write_landmarks(layout.landmarks("SACU") / "SACU-NO-1.npz", parent)
    with pytest.raises(CalseError, match=r"SACU-NO-1.npz is of 12 frames, clip SACU-NO-1 has 13"):
        landmarks_of(clip(13), layout)
    with pytest.raises(CalseError, match=r"clip AF1-SACU-NO-1-1 of .*: its kind, time_warp, keeps no matrix in"):
        landmarks_of(clip(12, {"by": "time_warp"}), layout)
