"""The recogniser `landmarks`: normalised signing, its distances."""

from dataclasses import replace

import numpy as np
import pytest

from calse.recognition.architectures.landmarks.examples import second_hand_rests
from calse.recognition.architectures.landmarks.features import GROUPS, ROWS, features
from calse.recognition.architectures.landmarks.normalise import closed, normalise
from calse.recognition.architectures.landmarks.signing import FRAMES, mirrored, palm_frame, stacked
from calse.recognition.architectures.landmarks.warping import distances, frame_costs, path_cost
from calse.runtime.errors import CalseError
from waving import LEFT, RIGHT, film, open_hand


def rotation(degrees, axis):
    one, other = [place for place in range(3) if place != axis]
    turn = np.eye(3)
    turn[[one, one, other, other], [one, other, one, other]] = np.array([1, -1, 1, 1]) * [
        np.cos(np.radians(degrees)),
        np.sin(np.radians(degrees)),
        np.sin(np.radians(degrees)),
        np.cos(np.radians(degrees)),
    ]
    return turn


def test_signer_camera_and_frame_rate_do_not_matter():
    near = normalise(*film(50), fps=25)
    far = normalise(*film(100, width=37, middle=(70, 90)), fps=50)
    assert near.hands.shape == (FRAMES, 2, 21, 2)
    np.testing.assert_allclose(near.hands, far.hands, atol=0.06)
    np.testing.assert_allclose(near.nose, np.broadcast_to([0, -0.55], (FRAMES, 2)), atol=1e-4)
    np.testing.assert_allclose(np.diff(near.elbows[:, :, 0], axis=1), 1.4, atol=1e-4)
    assert near.mask.tolist() == [[1, 0]] * FRAMES


def test_only_the_active_part_is_kept():
    signing = normalise(*film(), fps=25)
    assert signing.hands[:, 0, 0, 1].max() < 1  # the hands rest at 1.8


def test_a_hand_that_is_hardly_found_hangs_at_rest_whatever_the_body_model_says():
    body, hands, world = film()
    hands[10:13, LEFT], world[10:13, LEFT] = hands[10:13, RIGHT], world[10:13, RIGHT]
    body[:, 15, :2] = 200  # an invented wrist
    signing = normalise(body, hands, world, fps=25)
    np.testing.assert_allclose(signing.hands[:, 1], np.broadcast_to([0.7, 2.2], (FRAMES, 21, 2)), atol=1e-6)
    assert not signing.mask[:, 1].any()


def test_short_gaps_are_closed_and_long_ones_masked_on_the_bodys_wrist():
    body, hands, world = film()
    whole = normalise(body, hands, world, fps=25)
    hands[20:24, RIGHT], world[20:24, RIGHT] = np.nan, np.nan  # .16 s
    np.testing.assert_allclose(normalise(body, hands, world, fps=25).hands, whole.hands, atol=0.03)
    hands[20:32, RIGHT], world[20:32, RIGHT] = np.nan, np.nan
    lost = normalise(body, hands, world, fps=25)
    missing = lost.mask[:, 0] == 0
    assert 5 < missing.sum() < 15
    inner = np.flatnonzero(missing)[3:-3]
    np.testing.assert_allclose(lost.hands[inner, 0, 9], whole.hands[inner, 0, 0], atol=0.03)
    assert not lost.world[inner, 0].any()


def second_hand(signing, y, sway):
    """Put the second hand, found in every frame, at a height, where it sways."""
    hands, mask = signing.hands.copy(), np.ones_like(signing.mask)
    hands[:, 1] = np.array([0.1, y]) + np.linspace(0, 1, FRAMES)[:, None, None] * np.array([sway, 0])
    return replace(signing, hands=hands, mask=mask)


def test_a_second_hand_that_holds_still_at_the_waist_rests():
    signing = normalise(*film(), fps=25)
    assert second_hand_rests(second_hand(signing, 1.2, 0.05))
    assert not second_hand_rests(second_hand(signing, 0.8, 0.05)), "a base hand in front of the chest"
    assert not second_hand_rests(second_hand(signing, 1.2, 0.3)), "it takes part"
    assert second_hand_rests(signing), "absent"


def test_gaps_of_points_are_closed_by_straight_lines():
    line = np.array([[np.nan], [1], [np.nan], [np.nan], [4], [np.nan]], np.float32)
    assert closed(line, 6).ravel().tolist() == [1, 1, 2, 3, 4, 4]
    assert closed(line, 2)[1:5].ravel().tolist() == [1, 2, 3, 4]
    assert np.isnan(closed(line, 1)).ravel().tolist() == [True, False, True, True, False, True]


def test_a_left_handed_signer_is_turned_into_a_right_handed_one():
    right, left = normalise(*film(), fps=25), normalise(*film(lead=LEFT), fps=25)
    np.testing.assert_allclose(left.hands, right.hands, atol=1e-4)
    np.testing.assert_allclose(left.world, right.world, atol=1e-4)
    again = mirrored(mirrored(left))
    np.testing.assert_array_equal(again.hands, left.hands)
    assert mirrored(left).mask.tolist() == [[0, 1]] * FRAMES


def test_a_clip_without_a_person_is_refused_by_name():
    body, hands, world = film(12)
    with pytest.raises(CalseError, match="no person"):
        normalise(np.full_like(body, np.nan), hands, world, fps=25)
    with pytest.raises(CalseError, match="no width"):
        normalise(np.ones_like(body), hands, world, fps=25)


def test_the_palm_frame_is_that_of_the_formula_and_does_not_turn_with_the_hand():
    hand = open_hand(curl=0.3)
    shape, direction, normal = palm_frame(hand)
    palm = np.linalg.norm(hand[[5, 9, 13, 17]], axis=1).mean()
    middle = hand[9] / np.linalg.norm(hand[9])
    stands = np.cross(hand[5], hand[17])
    stands /= np.linalg.norm(stands)
    np.testing.assert_allclose([direction, normal], [middle, stands], atol=1e-6)
    expected = [[point @ axis / palm for axis in (middle, stands, np.cross(stands, middle))] for point in hand[1:]]
    np.testing.assert_allclose(shape, expected, atol=1e-5)
    turn = rotation(40, 0) @ rotation(-70, 1) @ rotation(25, 2)
    turned, new_direction, new_normal = palm_frame(1.7 * hand @ turn.T + [0.1, 0.2, 0.3])
    np.testing.assert_allclose(turned, shape, atol=1e-5)
    np.testing.assert_allclose([new_direction, new_normal], [turn @ direction, turn @ normal], atol=1e-6)
    assert not any(part.any() for part in palm_frame(np.zeros((21, 3))))


def test_features_of_many_clips_are_those_of_each():
    signings = [normalise(*film(seed=seed, curl=seed / 3), fps=25) for seed in range(3)]
    many = features(stacked(signings))
    assert many.shape == (3, ROWS, FRAMES)
    for one, signing in zip(many, signings, strict=True):
        np.testing.assert_array_equal(one, features(signing))


def naive_path_cost(costs, band=0.3):
    """The cheapest path by going through all of them; of equally cheap ones the shortest first step decides."""
    rows, columns = costs.shape
    slope = (columns - 1) / max(rows - 1, 1)
    width = max(band * columns, slope, 1)
    best = {(0, 0): (costs[0, 0], 1)}
    for i in range(rows):
        for j in range(columns):
            if (i, j) != (0, 0) and abs(j - i * slope) <= width:
                before = [best[at] for at in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if at in best]
                if before:
                    total, steps = min(before, key=lambda way: way[0])
                    best[i, j] = total + costs[i, j], steps + 1
    total, steps = best[rows - 1, columns - 1]
    return total / steps


@pytest.mark.parametrize("shape", [(32, 32), (24, 32), (32, 24), (24, 24), (16, 32), (5, 2), (1, 1)])
def test_the_warping_path_is_that_of_a_naive_implementation(shape):
    costs = np.random.default_rng(3).random(shape).astype(np.float32)
    assert path_cost(costs) == pytest.approx(naive_path_cost(costs), rel=1e-5)


def test_warping_undoes_a_change_of_pace():
    slow = np.repeat(np.arange(8), 4)
    fast = np.round(7 * np.linspace(0, 1, 32) ** 1.3)
    straight = np.abs(slow - fast).mean()
    assert path_cost(np.abs(slow[:, None] - fast[None]).astype(np.float32)) < straight / 5


def naive_frame_cost(one, other):
    cost, first = 0.0, 0
    for group in GROUPS.values():
        rows = slice(first, first + group.numbers)
        first += group.numbers
        distance = np.linalg.norm(one[rows].astype(float) - other[rows])
        if group.hand >= 0 and not (one[-2 + group.hand] and other[-2 + group.hand]):
            distance = 0.6
        if group.hand == 1:
            distance *= min(one[-3], other[-3])
        cost += group.weight * distance
    return cost


def random_features(*shape):
    values = np.random.default_rng(5).random((*shape, ROWS, FRAMES)).astype(np.float32)
    values[..., -2:, :] = values[..., -2:, :] > 0.3
    return values


def test_the_cost_of_two_frames_is_the_weighted_sum_of_their_distances():
    one, other = random_features(2)
    costs = frame_costs(one, other)
    for i, j in [(0, 0), (3, 17), (31, 5), (30, 30)]:
        assert costs[i, j] == pytest.approx(naive_frame_cost(one[:, i], other[:, j]), rel=1e-5)


def test_a_distance_is_the_smallest_over_what_may_be_left_out_at_the_ends():
    query, *known = random_features(3)
    quarter = FRAMES // 4
    for number, found in enumerate(distances(query, np.stack(known))):
        costs = frame_costs(query, known[number])
        ends = [(0, 0), (quarter, 0), (0, quarter)]
        nine = [
            path_cost(np.ascontiguousarray(costs[top : FRAMES - bottom, left : FRAMES - right]))
            for top, left in ends
            for bottom, right in ends
        ]
        assert found == pytest.approx(min(nine), rel=1e-6)


def test_a_clip_that_starts_late_is_nearer_to_its_own_sign_than_to_another():
    whole = features(normalise(*film(60), fps=25))
    late = features(normalise(*(part[18:] for part in film(60, seed=1)), fps=25))
    fist = features(normalise(*film(60, curl=1.5), fps=25))
    to_own, to_other = distances(late, np.stack([whole, fist]))
    assert to_own < to_other / 2
