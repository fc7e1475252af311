"""The hands: each in the slot of its wrist, sought by the cheapest way, found early, and none twice."""

import math

import numpy as np
import pytest

from calse.landmarks.body import ELBOWS, INDICES, LITTLES, NOSE, SHOULDERS, WRISTS
from calse.landmarks.crops import Square
from calse.landmarks.detector import Detection
from calse.landmarks.following import SOON, Networks, landmarks_of_frames
from calse.landmarks.hands import Found, Hand, HandFollower, HandMesh, near_face, square_of_hand
from calse.landmarks.rates import hands_in_front
from faces import FACES

FRAME = np.zeros((200, 200, 3), np.uint8)
SHAPE = np.column_stack([np.tile([-5, 0, 5], 7), np.linspace(0, -20, 21), np.zeros(21)]).astype(np.float32)
SHAPE[[0, 5, 9, 13, 17], 0] = 0, -5, 0, 5, 5  # wrist and roots of the fingers


def person(left, right, face=None):
    """What is known of a frame in which the body's wrists are at these places; the shoulders are 40 pixels apart."""
    body = np.zeros((33, 3), np.float32)
    body[list(SHOULDERS), :2] = [[120, 80], [80, 80]]
    body[NOSE, :2] = 100, 50
    for place, *points in zip((left, right), ELBOWS, WRISTS, INDICES, LITTLES, strict=True):
        body[points, :2] = place
        body[points[2:], 1] -= 6
    return Found(face, (body, 1.0))


class Hands:
    """Palms and hands as a test wants them: small, upright, their wrists at `places`."""

    def __init__(self, *places, visible=True):
        self.places = [np.array(place, np.float32) for place in places]
        self.visible = visible  # in a square that is not quite on them
        self.looks = self.tries = 0

    def palms(self, corner):
        def look(picture):
            self.looks += 1
            up = np.array([[0, 0], [0, 0], [0, -10]] + [[0, 0]] * 4, np.float32)
            middles = [place - [0, 5] - corner for place in self.places]
            return [Detection(0.9, np.concatenate([at - 5, at + 5]), up) for at in middles]

        return look

    def mesh(self, picture, square):
        self.tries += 1
        nearest = min(self.places, key=lambda place: math.hypot(*(place - square[:2])), default=np.zeros(2))
        near = len(self.places) > 0 and math.hypot(*(nearest - square[:2])) < 30
        sharp = self.visible or square.angle == 0  # squares of a body's arm are turned in these tests
        return Hand(
            SHAPE + np.array([*nearest, 0], np.float32), SHAPE / 100, 1.0 if near and sharp else 0.1, nearest[0] > 100
        )

    def follower(self, corner=(0, 0)):
        return HandFollower(self.palms(np.array(corner)), self.mesh)


def wrists(found):
    return [None if hand is None else hand.points[0, :2].tolist() for hand in found.hands]


def test_hands_that_cross_stay_at_the_wrists_that_they_belong_to():
    hands = Hands([60, 120], [140, 120])
    follow = hands.follower()
    for step in range(0, 81, 4):
        places = [140 - step, 120], [60 + step, 124]
        hands.places = [np.array(place, np.float32) for place in places]
        found = person(*places)
        follow(FRAME, found)
        if abs(40 - step) > 15:
            assert wrists(found) == [[140 - step, 120], [60 + step, 124]], step


def test_one_hand_at_both_wrists_is_kept_at_the_nearer_one():
    hands = Hands([100, 120])
    found = person([108, 120], [99, 120])
    hands.follower()(FRAME, found)
    assert wrists(found) == [None, [100, 120]]


def test_a_hand_far_from_the_bodys_wrist_is_somebody_elses():
    hands = Hands([100, 120])
    found = person([140, 120], [60, 120])  # 40 pixels away, and .6 shoulder widths are 24
    hands.follower()(FRAME, found)
    assert wrists(found) == [None, None]


def test_while_both_hands_are_followed_nothing_else_is_looked_at():
    hands = Hands([60, 120], [140, 120])
    follow = hands.follower()
    for _ in range(3):
        follow(FRAME, person([140, 120], [60, 120]))
    assert (hands.looks, hands.tries) == (0, 2 * 2 + 2 * 2)  # each twice when it is found by its arm, then once


def test_a_hand_out_of_the_picture_is_not_sought():
    hands = Hands([60, 120])
    follow = hands.follower()
    for _ in range(6):
        found = person([140, 240], [60, 120])
        follow(FRAME, found)
    assert wrists(found) == [None, [60, 120]]
    assert (hands.looks, hands.tries) == (0, 2 + 5)


def test_hands_that_nobody_wants_are_not_sought():
    hands = Hands([60, 160], [104, 64])
    follow = hands.follower()
    for _ in range(3):
        follow(FRAME, found := person([104, 64], [60, 160]), {0})
    assert wrists(found) == [[104, 64], None]
    assert (hands.looks, hands.tries) == (0, 2 + 1 + 1)


def test_hands_matter_to_a_face_where_the_arm_ends_at_it():
    face = np.zeros((468, 3), np.float32)
    face[:2, :2] = [[90, 30], [110, 60]]
    assert near_face(person([104, 64], [60, 160], (face, 1.0))) == {0}
    assert near_face(person([104, 92], [96, 86], (face, 1.0))) == {1}, "knuckles are 6 pixels above, .6 widths are 24"
    assert near_face(person([104, 64], [60, 160])) == {0, 1}, "no face: nothing says which hands matter"


def test_whoever_looks_at_faces_alone_seeks_a_hand_some_frames_before_it_comes_there():
    face, tried = np.zeros((468, 3), np.float32), []
    face[:2, :2] = [[90, 30], [110, 60]]
    box = np.array([90, 30, 110, 60], np.float32)

    def body(frame, square):
        return person([140, 240], [96, 70] if frame[0, 0, 0] >= 8 else [60, 160]).body[0], 1.0, square

    def hand(frame, square):
        tried.append(int(frame[0, 0, 0]))
        return Hand(SHAPE, SHAPE, 0.1, True)

    anywhere = [Detection(0.9, box, np.array([[90, 40], [110, 40], [100, 50]], np.float32))]
    networks = Networks(lambda _: anywhere, lambda *_: (face, 1.0), lambda _: anywhere, body, lambda _: [], hand)
    landmarks_of_frames([np.full_like(FRAME, number) for number in range(12)], networks, FACES, at_face=True)
    assert min(tried) == 8 - SOON


def test_a_missing_hand_is_sought_at_once_and_then_in_every_third_frame():
    hands = Hands([60, 120])
    follow = hands.follower()
    looks = []
    for _ in range(12):
        follow(FRAME, person([140, 120], [60, 120]))
        looks.append(hands.looks)
    assert looks == [1, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6]


def test_a_hand_that_is_found_late_is_followed_back_to_the_look_before():
    hands = Hands()
    follow = hands.follower(corner=(46, 18))
    clip = [person([140, 120], [60, 120]) for _ in range(9)]
    for number, found in enumerate(clip):
        for slot in (0, 1):  # arms that point aside: what is found there is none
            found.body[0][[INDICES[slot], LITTLES[slot]], :2] = found.body[0][WRISTS[slot], :2] + [6, 0]
        if number == 6:
            hands.places, hands.visible = [np.array([60, 120], np.float32)], False
        follow(FRAME, found)
    assert [wrists(found)[1] for found in clip] == 6 * [None] + 3 * [[60, 120]]


def test_without_a_body_hands_near_the_face_fill_the_slots_that_they_look_like():
    face = (np.array([[80, 60, 0], [120, 110, 0]], np.float32), 1.0)
    hands = Hands([75, 120], [125, 120])
    found = Found(face, None)
    hands.follower(corner=(25, 10))(FRAME, found)
    assert wrists(found) == [[125, 120], [75, 120]]
    far = Hands([30, 180])
    found = Found(face, None)
    far.follower()(FRAME, found)
    assert wrists(found) == [None, None]


def test_without_a_person_nothing_is_sought():
    hands = Hands([60, 120])
    found = Found(None, None)
    hands.follower()(FRAME, found)
    assert wrists(found) == [None, None]
    assert (hands.looks, hands.tries) == (0, 0)


def test_metres_are_turned_with_the_square():
    class Model:
        size = 224

        def __call__(self, picture):
            points, world = np.zeros((21, 3), np.float32), np.zeros((21, 3), np.float32)
            world[5] = 0.02, -0.08, 0.01
            return [points.ravel(), np.array([0.9]), np.array([0.8]), world.ravel()]

    hand = HandMesh(Model())(FRAME, Square(100, 100, 50, math.pi / 2))
    assert hand.world[5].tolist() == pytest.approx([0.08, 0.02, 0.01])  # up in the crop is right in the picture
    assert (hand.presence, hand.left) == (0.9, False)


def test_the_square_of_a_hand_is_upright_for_it_and_twice_its_palm():
    turn = np.array([[0, -1], [1, 0]])  # a quarter turn clockwise
    points = SHAPE.copy()
    points[:, :2] = points[:, :2] @ turn.T + [50, 60]
    square = square_of_hand(points)
    assert square.angle == pytest.approx(math.pi / 2)
    assert square.side == pytest.approx(2 * 18, abs=0.1)  # from the wrist to point 18


def test_hands_of_a_filmed_signer_are_at_their_own_wrists(networks, jugar):
    frames, truth = jugar[0][:24], jugar[1]
    found = landmarks_of_frames(frames, networks, FACES)
    there = found.has_hands
    assert there.sum(axis=0).min() > 8
    for frame, slot in np.argwhere(there):
        left_first = truth["wrists"][frame][::-1]
        assert np.linalg.norm(left_first[slot] - found.hands[frame, slot, 0, :2]) < 25
    assert (found.hands_presence[there] >= 0.5).all()
    fingers = np.linalg.norm(found.hands_world[there][:, 12] - found.hands_world[there][:, 0], axis=-1)
    assert fingers.min() > 0.05  # metres from the wrist to the tip of the middle finger
    assert fingers.max() < 0.25
    again = landmarks_of_frames(iter(frames), networks, FACES)
    for name in ("face", "body", "hands", "hands_world"):
        assert np.array_equal(getattr(again, name), getattr(found, name), equal_nan=True), name


def test_a_hand_before_the_face_is_found_with_a_body_and_in_a_close_up(networks, hola):
    frames, truth = hola[0][:24], hola[1]
    whole = landmarks_of_frames(frames, networks, FACES)
    assert hands_in_front(whole).sum() >= 3
    in_front = hands_in_front(landmarks_of_frames(frames, networks, FACES, at_face=True))
    assert (in_front == hands_in_front(whole)).mean() > 0.9, "whoever looks at faces alone loses none of them"
    left, top, right, bottom = truth["face_box"][:24].mean(axis=0).astype(int)
    close = np.ascontiguousarray(frames[:, max(0, top - 10) : bottom + 10, left - 20 : right + 20])
    found = landmarks_of_frames(close, networks, FACES)
    assert hands_in_front(found).sum() >= 2
