"""Signing as it comes: a sign is still found among others, or the clip is refused by name."""

from functools import cache

import numpy as np
import pytest

from calse.data.paths import Layout
from calse.landmarks.generated import OTHER_SIDE
from calse.landmarks.record import no_landmarks
from calse.recognition.architectures.landmarks.examples import Example, embedded, signing_of
from calse.recognition.architectures.landmarks.index import made_index
from calse.recognition.architectures.landmarks.normalise import NobodyError
from calse.recognition.architectures.landmarks.settings import LandmarksSettings
from signers.performances import FPS, perform

SIGNS = range(6)
SETTINGS = LandmarksSettings("fused")
ENCODER = Layout().encoder()  # the one that ships
BODY, HANDS, WORLD = range(3)


@cache
def take(sign, number):
    """Body, hands and hands in metres of a random sign."""
    performance = perform(sign, number, seed=77)
    return performance.body, performance.hands, performance.world


def at_places(parts, count):
    places = np.linspace(0, len(parts[0]) - 1, count)
    before = np.floor(places).astype(int)
    after = np.minimum(before + 1, len(parts[0]) - 1)
    shares = [(places - before).reshape(-1, *[1] * (part.ndim - 1)) for part in parts]
    return [part[before] * (1 - share) + part[after] * share for part, share in zip(parts, shares, strict=True)]


def at_fps(fps):
    return lambda parts: (at_places(parts, round(len(parts[0]) * fps / FPS)), fps)


def in_ten_frames(parts):
    return at_places(parts, 10), FPS * 10 / len(parts[0])


def after_a_title_card(parts):
    return [np.concatenate([np.full((30, *part.shape[1:]), np.nan), part]) for part in parts], FPS


def at_rest(parts, count):
    """So many frames of the first one, in which the hands are out of the picture."""
    body, hands, world = (np.repeat(part[:1], count, axis=0) for part in parts)
    return [body, np.full_like(hands, np.nan), np.full_like(world, np.nan)]


def in_a_film_of_3000_frames(parts):
    before = at_rest(parts, 1400)
    after = at_rest(parts, 1600 - len(parts[0]))
    return [np.concatenate(three) for three in zip(before, parts, after, strict=True)], FPS


def after_the_camera_was_started(parts):
    middle = len(parts[0]) // 2
    reached = [part[middle : middle + 8] for part in parts]
    return [np.concatenate(three) for three in zip(reached, at_rest(parts, 40), parts, strict=True)], FPS


def starting_in_the_middle_of_it(parts):
    return [part[len(part) // 4 :] for part in parts], FPS


def held_at_the_end(parts):
    stop = 3 * len(parts[0]) // 4
    return [np.concatenate([part[:stop], np.repeat(part[stop : stop + 1], 20, axis=0)]) for part in parts], FPS


def in_a_mirror(parts):
    """As a selfie camera films: who signs with the right hand has it at the left wrist."""
    body, hands, world = parts[BODY][:, OTHER_SIDE], parts[HANDS][:, ::-1], parts[WORLD][:, ::-1]
    flip = np.array([-1, 1, 1])
    return [body * flip, hands * flip, world * flip], FPS


def with_hands_that_change_places_where_they_cross(parts):
    middle = len(parts[0]) // 2
    for part in (parts[HANDS], parts[WORLD]):
        part[middle - 2 : middle + 2] = part[middle - 2 : middle + 2, ::-1].copy()
    return parts, FPS


def with_black_frames(parts):
    for part in parts:
        part[len(part) // 2 - 3 : len(part) // 2 + 3] = np.nan
    return parts, FPS


def with_hands_lost_in_every_other_frame(parts):
    parts[HANDS][::2], parts[WORLD][::2] = np.nan, np.nan
    return parts, FPS


def with_somebody_else_followed_for_a_moment(parts):
    middle = len(parts[0]) // 2
    for part, others in zip(parts, take(99, 0), strict=True):
        part[middle : middle + 8] = others[8:16]
    for part in (parts[BODY], parts[HANDS]):
        part[middle : middle + 8, ..., 0] += 400  # beside the signer
    return parts, FPS


def with_one_hand_out_of_the_picture(parts):
    parts[HANDS][:, 0], parts[WORLD][:, 0] = np.nan, np.nan
    return parts, FPS


def without_hands(parts):
    parts[HANDS][:], parts[WORLD][:] = np.nan, np.nan
    return parts, FPS


def without_anybody(parts):
    return [np.full_like(part, np.nan) for part in parts], FPS


def example(parts, fps) -> Example:
    landmarks = no_landmarks(len(parts[0]))
    landmarks.body[:], landmarks.hands[:], landmarks.hands_world[:] = parts
    return embedded(signing_of(landmarks, fps, SETTINGS), ENCODER)


def changed(how, sign):
    return example(*how([part.copy() for part in take(sign, 1)]))


@pytest.fixture(scope="module")
def index():
    names = [f"sign {sign}" for sign in SIGNS]
    info = {"params": {"distance": "fused", "mirror": True}, "classes": names}
    return made_index([example(take(sign, 0), FPS) for sign in SIGNS], names, names, info)


@pytest.mark.parametrize(
    "how",
    [
        at_fps(9),
        at_fps(60),
        in_ten_frames,
        in_a_film_of_3000_frames,
        after_a_title_card,
        after_the_camera_was_started,
        starting_in_the_middle_of_it,
        held_at_the_end,
        in_a_mirror,
        with_hands_that_change_places_where_they_cross,
        with_black_frames,
        with_hands_lost_in_every_other_frame,
        with_somebody_else_followed_for_a_moment,
        with_one_hand_out_of_the_picture,
    ],
    ids=lambda how: how.__name__.strip("<>"),
)
def test_a_sign_is_found_in_another_take_whatever_the_film_is_like(index, how):
    assert [index.nearest(changed(how, sign))[0].gloss for sign in SIGNS] == [f"sign {sign}" for sign in SIGNS]


@pytest.mark.parametrize(
    ("how", "why"),
    [(without_hands, "shows no hand, or one for a moment only"), (without_anybody, "shows no person")],
)
def test_what_shows_nothing_to_compare_is_refused_by_name(how, why):
    with pytest.raises(NobodyError, match=why):
        changed(how, 0)
