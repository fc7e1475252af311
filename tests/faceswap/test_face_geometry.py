"""Where a face lies: alignment to the mean face, and masks of face, eyes, mouth and hands."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from calse.faceswap.align import MEAN_FACE, MOUTH, MOUTH_CORNERS, alignment, invert, move, warp
from calse.faceswap.mask import EYES_WITH_BROWS, LIPS, detail_weights, face_mask, face_width, hand_mask, hand_share
from cartoons import NO_HANDS, SIDE, WIDTH, cartoon, flat_hand


def test_a_turned_face_lands_on_the_mean_face():
    _, track = cartoon((0, 0, 0), [0.0, 0.1])
    turn = np.radians(20)
    rotation = 1.7 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = track.face.copy()
    turned[..., :2] = turned[..., :2] @ rotation.T + (5, -9)
    matrices = alignment(replace(track, face=turned), 80)
    for matrix, points in zip(matrices, turned, strict=True):
        placed = move(points, matrix)[list(MEAN_FACE)]
        assert np.allclose((placed + 0.5) / 80, list(MEAN_FACE.values()), atol=1e-5)
        assert np.allclose(move(move(points, matrix), invert(matrix)), points[:, :2], atol=1e-4)


def test_a_long_faces_mouth_lands_where_every_mouth_does_and_still_opens():
    _, track = cartoon((0, 0, 0), [0.0, 0.05, 0.1])
    long = track.face.copy()
    long[:, list(LIPS), 1] += 0.12 * WIDTH
    matrices = alignment(replace(track, face=long), 80)
    placed = np.stack([move(points, matrix) for points, matrix in zip(long, matrices, strict=True)])
    assert np.allclose((placed[1, list(MOUTH_CORNERS), 1] + 0.5) / 80, MOUTH, atol=0.01)
    assert np.allclose((placed[1, [33, 263], 1] + 0.5) / 80, MEAN_FACE[33][1], atol=0.01)
    openings = np.ptp(placed[:, list(LIPS), 1], axis=1)
    assert openings[0] < openings[1] < openings[2]


def test_a_crop_goes_back_to_where_it_was_cut():
    frames, track = cartoon((200, 90, 80), [0.05])
    matrix = alignment(track, 96)[0]
    back = warp(warp(frames[0], matrix, 96, 96), invert(matrix), SIDE, SIDE)
    inside = face_mask(track.face[0], NO_HANDS, SIDE, SIDE, erode=0.05) > 0
    assert np.abs(back.astype(int) - frames[0])[inside].mean() < 4


def test_shrinking_averages_instead_of_skipping():
    lines = np.zeros((64, 64), np.float32)
    lines[:, ::4] = 1
    assert np.allclose(warp(lines, np.array([[0.25, 0, -0.375], [0, 0.25, -0.375]]), 16, 16), 0.25, atol=0.05)


def test_smoothing_calms_the_alignment_without_lag_and_leaves_gaps():
    _, track = cartoon((0, 0, 0), np.zeros(41))
    landmarks = track.face + np.random.default_rng(1).normal(0, 1, (41, 1, 3)).astype(np.float32)
    landmarks[20] = np.nan
    shaken = replace(track, face=landmarks)
    steady, rough, smooth = (alignment(one, 32, life) for one, life in ((track, 0), (shaken, 0), (shaken, 2)))
    assert np.isnan(smooth[20]).all()
    assert not np.isnan(smooth[[19, 21]]).any()
    kept = np.r_[5:20, 21:36]
    assert np.abs(smooth - steady)[kept].mean() < 0.6 * np.abs(rough - steady)[kept].mean()
    moving = alignment(track, 32, 2)
    assert np.allclose(moving[15:26], steady[15:26], atol=0.02)


# Masks


def test_the_mask_is_the_oval_and_erosion_and_feather_go_inwards():
    points = cartoon((0, 0, 0), [0.0])[1].face[0]
    hard = face_mask(points, NO_HANDS, SIDE, SIDE)  # a pixel that the outline touches counts: up to a tenth here
    assert hard.sum() == pytest.approx(np.pi * 0.5 * 0.62 * WIDTH**2, rel=0.1)
    eroded = face_mask(points, NO_HANDS, SIDE, SIDE, erode=0.05)
    small = np.pi * (0.45 * 0.57) * WIDTH**2
    assert (eroded > 0.5).sum() == pytest.approx(small, rel=0.1)
    soft = face_mask(points, NO_HANDS, SIDE, SIDE, erode=0.05, feather=0.1)
    assert (soft <= eroded).all()
    assert np.mean((soft > 0) & (soft < 1)) > 0.1
    assert soft.max() == 1
    assert face_width(points) == pytest.approx(WIDTH, rel=0.01)


@pytest.mark.parametrize("right", [0, -30])
def test_a_soft_mask_follows_the_distance_to_what_is_outside(right):
    points = cartoon((0, 0, 0), [0.0])[1].face[0] + np.array([right, 0, 0], np.float32)  # once over the edge
    depth = distance_transform_edt(face_mask(points, NO_HANDS, SIDE, SIDE) > 0)
    share = np.clip((depth / face_width(points) - 0.02) / 0.1, 0, 1)
    expected = share * share * (3 - 2 * share)
    assert np.allclose(face_mask(points, NO_HANDS, SIDE, SIDE, 0.02, 0.1), expected, atol=1e-4)


def test_a_hand_is_cut_out_of_the_mask_and_covers_its_landmarks():
    points = cartoon((0, 0, 0), [0.0])[1].face[0]
    hands = np.stack([flat_hand(31, 60), NO_HANDS[0]])
    covered = hand_mask(hands, SIDE, SIDE)
    assert all(covered[int(y), int(x)] for x, y, _ in hands[0])
    soft = face_mask(points, hands, SIDE, SIDE, 0.02, 0.1)
    assert (soft[covered > 0] == 0).all()
    assert soft.sum() < 0.8 * face_mask(points, NO_HANDS, SIDE, SIDE, 0.02, 0.1).sum()


def test_a_mask_depends_on_no_size_of_the_picture_and_lies_empty_beyond_its_edge():
    points = cartoon((0, 0, 0), [0.0])[1].face[0]
    hands = np.stack([flat_hand(31, 60), NO_HANDS[0]])
    place = np.array([200, 100, 0], np.float32)
    large = face_mask(points + place, hands + place, 400, 600, 0.02, 0.1)
    assert np.array_equal(large[100 : 100 + SIDE, 200 : 200 + SIDE], face_mask(points, hands, SIDE, SIDE, 0.02, 0.1))
    assert large.sum() == large[100 : 100 + SIDE, 200 : 200 + SIDE].sum()
    share = hand_share(points, hands, SIDE, SIDE)
    assert 0.1 < share == hand_share(points + place, hands + place, 400, 600) < 0.6
    assert hand_share(points, NO_HANDS, SIDE, SIDE) == 0
    for away in ([-500, 0, 0], [900, 0, 0], [0, 900, 0]):
        assert not face_mask(points + np.array(away, np.float32), NO_HANDS, SIDE, SIDE, 0.02, 0.1).any()


def test_eyes_and_mouth_weigh_what_is_configured():
    points = cartoon((0, 0, 0), [0.05])[1].face[0]
    weights = detail_weights(points, SIDE, SIDE, eyes=3, mouth=2)
    for ring, weight in ((EYES_WITH_BROWS[0], 3), (EYES_WITH_BROWS[1], 3), (LIPS, 2)):
        x, y = points[list(ring), :2].mean(axis=0).astype(int)
        assert weights[y, x] == weight
    assert weights[2, 2] == 1
