"""Clips as they come: mirrored, with somebody else, with black frames, from far away, without a person."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from calse.data.clips import Clip
from calse.landmarks import following
from calse.landmarks.following import Followed, landmarks_of_frames
from calse.landmarks.rates import leading_part, rates_of, summary
from calse.landmarks.record import SHAPES, no_landmarks
from faces import FACES


@pytest.fixture(scope="module")
def signing(hola):
    """Frames `8 x 256 x 342 x 3` in which the right hand alone signs."""
    return hola[0][8:16]


def test_a_left_hander_and_a_mirrored_right_hander_sign_in_the_left_slot(signing, networks):
    plain, mirrored = (landmarks_of_frames(frames, networks, FACES) for frames in (signing, signing[:, :, ::-1]))
    assert plain.has_hands.sum(axis=0).tolist() == [0, 8]
    assert mirrored.has_hands.sum(axis=0).tolist() == [8, 0]
    assert [leading_part(found, 25)[1] for found in (plain, mirrored)] == [1, 0]


def test_of_two_persons_face_body_and_hands_are_those_of_one(signing, networks):
    small = signing[:, ::2, ::2]
    both = np.full((8, 256, 342 + small.shape[2], 3), 150, np.uint8)
    both[:, :, :342] = signing
    both[:, -small.shape[1] :, 342:] = small
    found = landmarks_of_frames(both, networks, FACES)
    assert (found.face[:, 1, 0] < 342).all()
    assert (found.body[:, 0, 0] < 342).all()
    assert found.has_hands.sum(axis=0).tolist() == [0, 8]
    right = landmarks_of_frames(both[:, :, ::-1], networks, FACES)
    assert (right.body[:, 0, 0] > small.shape[2]).all()


def test_a_long_clip_has_the_landmarks_of_a_short_one(signing, networks, monkeypatch):
    whole = landmarks_of_frames(signing, networks, FACES)
    monkeypatch.setattr(following, "PART", 3)
    parts = landmarks_of_frames(signing, networks, FACES)
    for name in SHAPES:
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_a_signer_is_found_again_after_a_title_card_and_black_frames(signing, networks):
    card = np.full_like(signing[:2], 255)
    cv2.putText(card[0], "HOLA", (60, 120), 0, 2, (0, 0, 0), 3)
    frames = np.concatenate([card, signing[:2], np.zeros_like(card), signing[2:4]])
    found = landmarks_of_frames(frames, networks, FACES)
    expected = [False, False, True, True, False, False, True, True]
    assert found.has_body.tolist() == expected
    assert found.has_hands[:, 1].tolist() == expected
    assert not found.hands_presence[~found.has_hands].any()


def test_a_small_signer_in_a_large_picture_has_the_same_landmarks_there(signing, networks):
    large = np.full((3, 1080, 1920, 3), 120, np.uint8)
    for frame, picture in zip(large, signing, strict=False):
        frame[540:, 900 : 900 + 722] = cv2.resize(picture, (722, 540))
    there, here = (landmarks_of_frames(frames, networks, FACES) for frames in (large, signing[:3]))
    assert there.has_hands.tolist() == here.has_hands.tolist()
    places = here.hands[:, 1, :, :2] * 540 / 256 + [900, 540]
    assert np.median(np.linalg.norm(there.hands[:, 1, :, :2] - places, axis=-1)) < 6  # of a hand 110 pixels long


def signed(frames, left, right):
    """Landmarks of a person whose right wrist goes up and down again, each hand found in so many frames."""
    landmarks = no_landmarks(frames)
    landmarks.body[:] = 0
    landmarks.body[:, [11, 12], 0] = 60, 20
    up = 40 * np.sin(np.linspace(0, np.pi, frames))
    landmarks.body[:, 15, :2], landmarks.body[:, 16, :2] = (70, 60), np.column_stack([np.full(frames, 10), 60 - up])
    for slot, count in enumerate((left, right)):
        landmarks.hands[frames // 2 - count // 2 :][:count, slot] = 0
    return landmarks


def test_the_metrics_name_clips_and_count_what_was_found_of_the_leading_hand():
    clip = Clip("A", "NO", "SACU", "A", 1, "", "", "", "", "", 342, 256, 25.0, 20, '{"raw":"none"}')
    whole = signed(20, left=1, right=8)
    active, leading = leading_part(whole, 25)
    assert leading == 1
    assert np.flatnonzero(active).tolist() == list(range(4, 16))  # where the sine is over its half
    found = {
        "A": Followed(whole, 0, 0),
        "B": Followed(no_landmarks(20), 0, 0),
        "C": Followed(signed(20, left=20, right=20), 0, 2),
    }
    report = summary([rates_of(replace(clip, clip=name), followed) for name, followed in found.items()])
    assert report["clips_without_person"] == report["clips_without_hands"] == ["B"]
    assert report["clips_without_face"] == ["A", "B", "C"]
    assert report["clips_with_several_persons"] == ["C"]
    assert (report["clips_with_left_hand_absent"], report["clips_with_right_hand_absent"]) == (2, 1)
    assert report["frames_with_body_share"] == 0.6667
    assert report["frames_with_right_hand_share"] == round(28 / 60, 4)
    assert report["leading_hand_found_share"] == round((8 + 12) / 24, 4)
    rest = [np.repeat(getattr(whole, name)[:1], 900, axis=0) for name in ("body", "hands")]
    long = replace(
        no_landmarks(920),
        **{n: np.concatenate([r, getattr(whole, n)]) for n, r in zip(("body", "hands"), rest, strict=True)},
    )
    assert np.flatnonzero(leading_part(long, 25)[0]).tolist() == list(
        range(903, 917)
    )  # those over half of its highest 0.3 s
    assert rates_of(clip, Followed(long, 0, 0)).absent == (0,)
    assert summary([])["leading_hand_found_share"] == 0
