"""The landmark files: what is read is what was written, equal bytes for equal landmarks, and damage named."""

from dataclasses import replace

import numpy as np
import pytest

from calse.landmarks.record import SHAPES, no_landmarks, read_landmarks, write_landmarks
from calse.runtime.errors import CalseError


def drawn(frames):
    rng = np.random.default_rng(1)
    landmarks = no_landmarks(frames)
    return replace(landmarks, **{name: rng.random((frames, *shape), np.float32) for name, shape in SHAPES.items()})


def test_a_file_gives_back_what_was_written_and_equal_landmarks_equal_bytes(tmp_path):
    landmarks = drawn(3)
    landmarks.hands[1, 0] = np.nan
    for name in ("one.npz", "other.npz"):
        write_landmarks(tmp_path / name, landmarks)
    read = read_landmarks(tmp_path / "one.npz")
    for name in SHAPES:
        assert np.array_equal(getattr(read, name), getattr(landmarks, name), equal_nan=True), name
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()
    assert read.has_hands.tolist() == [[True, True], [False, True], [True, True]]


def test_nobody_is_nan_with_presence_zero():
    nobody = no_landmarks(2)
    for name in SHAPES:
        expected = 0 if name.endswith("presence") else np.nan
        assert np.array_equal(getattr(nobody, name), np.full((2, *SHAPES[name]), expected), equal_nan=True), name
    assert not np.concatenate([nobody.has_face, nobody.has_body, nobody.has_hands.ravel()]).any()


def test_a_missing_or_damaged_file_is_named(tmp_path):
    path = tmp_path / "clip.npz"
    with pytest.raises(CalseError, match=r"clip.npz is missing; `dvc repro`"):
        read_landmarks(path)
    write_landmarks(path, drawn(3))
    whole = path.read_bytes()
    np.save(tmp_path / "one.npy", np.zeros(3))
    for damage in (b"", b"no landmarks", whole[: len(whole) // 2], (tmp_path / "one.npy").read_bytes()):
        path.write_bytes(damage)
        with pytest.raises(CalseError, match=r"clip.npz holds no landmarks"):
            read_landmarks(path)
    middle = whole.index(b"face_presence.npy") - 4000  # in the numbers of the face: only the archive's sum tells
    path.write_bytes(whole[:middle] + b"damage" + whole[middle + 6 :])
    with pytest.raises(CalseError, match=r"clip.npz holds no landmarks"):
        read_landmarks(path)
    write_landmarks(path, replace(drawn(3), hands=drawn(2).hands))
    with pytest.raises(CalseError, match=r"clip.npz: hands is not that of 3 frames"):
        read_landmarks(path)
