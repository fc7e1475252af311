"""Random signing as landmarks: the same each time, anatomically right, and a sign is like itself."""

import numpy as np
import pytest

from calse.recognition.architectures.landmarks.normalise import normalise
from calse.recognition.architectures.landmarks.signing import TIPS, Signing, palm_frame
from signers.body import Pose, Skeleton
from signers.hands import hand
from signers.human import human
from signers.performances import FPS, PIXELS, Performance, perform, take_of

STILL = [(hand("neutral", "out", "five"), None)] * 2


def signing(performance: Performance) -> Signing:
    return normalise(performance.body, performance.hands, performance.world, FPS)


def test_three_numbers_name_a_performance() -> None:
    one, same = perform(3, 1, 7), perform(3, 1, 7)
    for name in ("body", "hands", "world"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    for other in (perform(4, 1, 7), perform(3, 2, 7), perform(3, 1, 8)):
        assert other.hands.shape != one.hands.shape or np.abs(other.hands - one.hands).max() > 1


def test_landmarks_lie_as_a_detector_would_find_them() -> None:
    for sign in range(6):
        found = perform(sign, 0, 1)
        assert found.body.shape[1:] == (33, 3)
        assert found.hands.shape == found.world.shape == (len(found.body), 2, 21, 3)
        assert all(np.isfinite(part).all() for part in (found.body, found.hands, found.world))
        for slot, wrist in enumerate((15, 16)):  # the signer's left first
            np.testing.assert_allclose(found.hands[:, slot, 0], found.body[:, wrist], atol=1e-3)
        assert (found.body[:, 11, 0] > found.body[:, 12, 0]).all()  # which is on the picture's right
        assert (found.body[:, 0, 1] < found.body[:, 11, 1]).all()
        in_picture, in_metres = (points - points[:, :, :1] for points in (found.hands / PIXELS, found.world))
        np.testing.assert_allclose(in_picture, in_metres, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "extended"), [("five", [1, 1, 1, 1]), ("fist", [0, 0, 0, 0]), ("horns", [1, 0, 0, 1])]
)
def test_fingers_are_where_the_handshape_has_them(shape: str, extended: list[int]) -> None:
    keys = [(hand("neutral", "out", shape), None)] * 2
    found = take_of(keys, np.random.default_rng(1))
    points = palm_frame(found.world[len(found.world) // 2, 1])[0]
    along = points[np.array(TIPS[1:]) - 1, 0]  # how far fingers reach beyond the wrist, in lengths of the palm
    assert ((along > 1.15) == np.array(extended, bool)).all(), along


def test_a_palm_looks_where_it_should() -> None:
    found = take_of(STILL, np.random.default_rng(1))
    wrist, knuckle = found.world[len(found.world) // 2, 1, [0, 9]]
    assert wrist[1] - knuckle[1] > 0.8 * np.linalg.norm(wrist - knuckle)  # fingers up
    across = palm_frame(found.world[len(found.world) // 2, 1])[2]
    assert abs(across[2]) > 0.8  # the palm looks at the camera


def test_two_takes_are_more_alike_than_two_signs() -> None:
    def described(performance: Performance) -> np.ndarray:
        found = signing(performance)
        shape, direction, normal = palm_frame(found.world[:, 0])
        place = found.hands[:, 0].mean(1)
        return np.concatenate([0.5 * shape.reshape(len(shape), -1), 0.5 * direction, 0.5 * normal, place], 1)

    takes = np.array([[described(perform(sign, take, 1)) for take in range(2)] for sign in range(12)])
    distance = np.linalg.norm(takes[:, None, 0] - takes[None, :, 1], axis=-1).mean(-1)
    assert (distance.argmin(1) == np.arange(12)).mean() > 0.9


def test_a_hand_at_the_shoulder_has_an_elbow_still() -> None:
    skeleton = Skeleton(human().bodies["SIGNER-2"][1])
    shoulder = (skeleton.arms["R"].shoulder - skeleton.chest) * [-1, 1, 1] / skeleton.scale
    at_shoulder = hand("neutral", "in", "fist")._replace(wrist=shoulder + 0.001)
    assert all(np.isfinite(part).all() for part in skeleton.pose(Pose(at_shoulder, at_shoulder)))
