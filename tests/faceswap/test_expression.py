import numpy as np
import pytest

from calse.faceswap.points import CANONICAL, EXPRESSION
from calse.faceswap.quality.expression import FEATURES, POSE, features, kept, noise_floor, rolled

LIP = FEATURES.index("lip_opening")


def turned(yaw=0.0, pitch=0.0, roll=0.0):
    """A rotation by degrees: first nodding up, then turning to the picture's right, then tilting clockwise."""
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return tilt @ turn @ nod


def face(lips=0.1, rotation=None, scale=80.0, shift=(120.0, 90.0, 5.0)):
    """Landmarks of a face whose every feature is known: 468 x 3 in pixels."""
    points = np.zeros((468, 3))
    for index, place in CANONICAL.items():
        points[index] = place
    for step, (name, (one, other)) in enumerate(EXPRESSION.items()):
        points[one] = points[other] = (0.1 * step, 0.6, -0.1)
        points[one, 1] -= lips if name == "lip_opening" else 0.3
    return (scale * points @ (np.eye(3) if rotation is None else rotation).T + shift).astype(np.float32)


def series(lips):
    """Features of a clip in which nothing but the lips move."""
    return features(np.stack([face(lip) for lip in lips]))


def test_lips_are_measured_in_eye_distances_whatever_the_heads_pose_and_size():
    for rotation, scale in [(turned(), 80), (turned(25, -15, 10), 80), (turned(-40, 20, -5), 31)]:
        assert features(face(0.17, rotation, scale)[None])[0, LIP] == pytest.approx(0.17, abs=1e-4)


@pytest.mark.parametrize(("name", "degrees"), [("yaw", 30), ("yaw", -20), ("pitch", 15), ("roll", -12)])
def test_each_angle_is_found_apart(name, degrees):
    angles = dict(zip(POSE, features(face(rotation=turned(**{name: degrees}))[None])[0, -3:], strict=True))
    assert angles == pytest.approx(dict.fromkeys(POSE, 0) | {name: degrees}, abs=1e-3)


def test_the_nose_points_where_the_angles_say():
    """Yaw to the picture's right moves the tip of the nose right of the eyes, pitch up moves it up."""

    def tip(**angles):
        points = face(rotation=turned(**angles))
        return (points[4] - points[[33, 263]].mean(axis=0))[:2]

    assert tip(yaw=20)[0] > tip()[0] + 5
    assert tip(pitch=20)[1] < tip()[1] - 5


def test_a_frame_without_a_face_is_nan_and_does_not_count():
    lips = 0.1 + 0.05 * np.sin(np.linspace(0, 12, 40))
    clip = np.stack([face(lip) for lip in lips])
    gap = clip.copy()
    gap[10:14] = np.nan
    assert np.isnan(features(gap)[10:14]).all()
    assert kept(features(clip), features(gap))["lip_opening"].r == pytest.approx(1)


def test_a_linear_signal_is_kept_under_any_gain_and_offset():
    lips = np.linspace(0.05, 0.25, 30)
    half = kept(series(lips), series(0.5 * lips + 0.2))
    assert list(half) == ["lip_opening"]  # nothing else moves
    assert half["lip_opening"].r == pytest.approx(1, abs=1e-4)
    # What is missing is half the signal: its deviation over its range is 1/sqrt(12), to the ends of 30 frames.
    assert half["lip_opening"].rmse == pytest.approx(0.5 / np.sqrt(12), rel=0.04)
    assert kept(series(lips), series(lips[::-1]))["lip_opening"].r == pytest.approx(-1, abs=1e-4)


def test_noise_lowers_r_as_theory_says():
    rng = np.random.default_rng(1)
    lips = 0.2 + 0.1 * np.sin(np.linspace(0, 40 * np.pi, 2000))
    noisy = lips + rng.normal(0, 0.1 / np.sqrt(2), 2000)  # as strong as the signal
    assert kept(series(lips), series(noisy))["lip_opening"].r == pytest.approx(1 / np.sqrt(2), abs=0.03)


def test_what_is_only_noise_is_not_counted():
    rng = np.random.default_rng(2)
    still = series(0.2 + rng.normal(0, 0.01, 300))
    assert "lip_opening" not in kept(still, still)
    assert noise_floor(rng.normal(0, 0.3, 3000)) == pytest.approx(0.3, rel=0.05)


def test_a_frozen_face_keeps_nothing():
    lips = 0.2 + 0.1 * np.sin(np.linspace(0, 12, 60))
    assert kept(series(lips), series(np.full(60, 0.2)))["lip_opening"].r == pytest.approx(0, abs=1e-6)


def test_rolling_by_half_a_period_turns_a_sine_over():
    lips = 0.2 + 0.1 * np.sin(np.linspace(0, 2 * np.pi, 100, endpoint=False))
    assert kept(series(lips), rolled(series(lips)))["lip_opening"].r == pytest.approx(-1, abs=1e-3)
