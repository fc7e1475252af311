"""Random signing as landmarks, without pictures: joints of the skeleton, where a camera would find them."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from signers.body import Pose, Skeleton
from signers.hands import REST, Hand, mix
from signers.human import human
from signers.random_signs import Keys, random_sign

FPS = 20.0
PIXELS = 400.0  # a metre in the picture
CENTRE = np.array([160.0, 120.0])  # where the picture has the middle of the shoulders
TIP = 0.85  # a finger's last bone, as a share of the one before: the skeleton ends where it starts
# On every head, metres from the middle of its eyes: nose, eyes (inner, middle, outer), ears, corners of the mouth.
HEAD = {
    0: (0, -0.05, -0.04), 1: (0.018, 0, 0), 2: (0.03, 0, 0), 3: (0.042, 0.005, 0), 4: (-0.018, 0, 0), 5: (-0.03, 0, 0),
    6: (-0.042, 0.005, 0), 7: (0.07, 0.08, -0.01), 8: (-0.07, 0.08, -0.01), 9: (0.026, -0.015, -0.074),
    10: (-0.026, -0.015, -0.074),
}  # fmt: skip
LIMBS = (  # bones, left then right, of the body's points from 11 on
    "upperarm01", "lowerarm01", "wrist", "finger5-1", "finger2-1", "finger1-2",
    "upperleg01", "lowerleg01", "foot", "foot", "toe1-1",
)  # fmt: skip


@dataclass(frozen=True)
class Performance:
    """One take of a sign as landmarks, T frames at FPS.

    `body` T x 33 x 3 and `hands` T x 2 x 21 x 3 in pixels (x right, y down, z away from the camera), `world` the hands
    again in metres from their middle; slot 0 is the hand of the signer's left. Points in MediaPipe's order.
    """

    body: np.ndarray
    hands: np.ndarray
    world: np.ndarray


def perform(sign: int, take: int, seed: int) -> Performance:
    """Return a take of a random sign: the same one for the same three numbers."""
    return take_of(random_sign(np.random.default_rng([seed, sign])), np.random.default_rng([seed, sign, take + 1]))


def take_of(keys: Keys, rng: np.random.Generator) -> Performance:
    """Return one take of a sign, by one of the baked bodies in its own manner before a camera of its own."""
    name = sorted(human().bodies)[rng.integers(len(human().bodies))]
    elbow, head, lean = rng.uniform(0.2, 0.8), rng.normal(0, 4, 3), rng.normal(0, 1.5)
    poses = [Pose(right, left, elbow, tuple(head), lean) for right, left in _frames(_repeated(keys, rng), rng)]
    turned, places = _moved_bones(name, poses)
    angles = rng.normal((0, 3, 0), (9, 6, 2))
    camera = Rotation.from_euler("zxy", [angles[2], angles[1], angles[0]], degrees=True).as_matrix()
    hands = _hands(turned, places, rng.uniform(0.9, 1.12)) @ _axes(camera)
    body = _body(turned, places) @ _axes(camera)
    origin = body[:, 11:13].mean((0, 1))
    to_picture = np.append(CENTRE, 0)
    in_body, in_hands = (((points - origin) * PIXELS + to_picture).astype(np.float32) for points in (body, hands))
    return Performance(in_body, in_hands, (hands - hands.mean(2, keepdims=True)).astype(np.float32))


def _axes(camera: np.ndarray) -> np.ndarray:
    """Return the matrix from the room (x left of the signer, y back, z up) to the picture (right, down, away)."""
    return np.asarray(np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) @ camera.T)


def _repeated(keys: Keys, rng: np.random.Generator) -> Keys:
    """Return a sign's keyframes as someone repeats them: larger or smaller, elsewhere, turned, shaken."""
    size, shift = rng.uniform(0.85, 1.2), rng.normal(0, 0.03, 3)
    turn = Rotation.from_rotvec(rng.normal(0, np.radians(10), 3)).as_matrix()
    bends = rng.normal(0, 4, 16)
    centre = np.mean([right.wrist for right, _ in keys], 0)

    def repeated(hand: Hand) -> Hand:
        """Move one hand's keyframe."""
        wrist = centre + (hand.wrist - centre) * size + shift + rng.normal(0, 0.01, 3)
        return Hand(wrist, turn @ hand.direction, turn @ hand.palm, hand.shape + bends)

    return [(repeated(right), repeated(left) if left else None) for right, left in keys]


def _frames(keys: Keys, rng: np.random.Generator) -> list[tuple[Hand, Hand]]:
    """Return both hands in every frame: up from rest, through the keyframes in uneven time, down again."""
    rest = REST._replace(wrist=REST.wrist - np.array([0, 0, rng.uniform(0, 0.12)]))
    both = [(rest, rest), *((right, left or rest) for right, left in keys), (rest, rest)]
    up, down = rng.uniform(0.25, 0.5, 2) * FPS
    between = rng.lognormal(0, 0.3, len(keys) - 1) * _pace(keys) * rng.lognormal(0, 0.2) * FPS
    times = np.cumsum([0, up, *np.maximum(between, 2), down])
    frames = np.arange(round(times[-1]) + 1)
    position = np.interp(frames, times, np.arange(len(both)))
    before = np.minimum(position.astype(int), len(both) - 2)
    mixed = [
        [mix(both[i][side], both[i + 1][side], share) for i, share in zip(before, position - before, strict=True)]
        for side in (0, 1)
    ]
    smooth = [
        [gaussian_filter1d(np.array(part), 1.2, axis=0, mode="nearest") for part in zip(*hands, strict=True)]
        for hands in mixed
    ]
    return list(zip(*([Hand(*frame) for frame in zip(*parts, strict=True)] for parts in smooth), strict=True))


def _pace(keys: Keys) -> np.ndarray:
    """Return the seconds from each keyframe to the next: a quarter, and more for a long way."""
    wrists = np.array([right.wrist for right, _ in keys])
    return np.asarray(0.12 + np.linalg.norm(np.diff(wrists, axis=0), axis=1) * 1.5)


@cache
def _skeleton(body: str) -> Skeleton:
    return Skeleton(human().bodies[body][1])


def _moved_bones(body: str, poses: list[Pose]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rotation (T x B x 3 x 3) and the head (T x B x 3) of every bone in every frame."""
    skeleton = _skeleton(body)
    turned, shifted = (np.stack(parts) for parts in zip(*map(skeleton.pose, poses), strict=True))
    return turned, np.einsum("tbij,bj->tbi", turned, skeleton.heads) + shifted


def _hands(turned: np.ndarray, places: np.ndarray, size: float) -> np.ndarray:
    """Return the 21 points of the left and the right hand, T x 2 x 21 x 3."""
    bones, hands = human().bones, []
    for side in "LR":
        wrist = places[:, [bones[f"wrist.{side}"]]]
        chains = [places[:, [bones[f"finger{k}-{j}.{side}"] for j in (1, 2, 3)]] for k in range(1, 6)]
        bends = [[bones[f"finger{k}-{j}.{side}"] for j in (2, 3)] for k in range(1, 6)]
        tips = [
            _tip(chain, turned[:, middle], turned[:, last]) for chain, (middle, last) in zip(chains, bends, strict=True)
        ]
        points = [wrist, *(part for pair in zip(chains, tips, strict=True) for part in pair)]
        hands.append(wrist + (np.concatenate(points, 1) - wrist) * size)
    return np.stack(hands, 1)


def _tip(chain: np.ndarray, middle: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return a finger's tip, T x 1 x 3: its last bone goes on as the one before it went, turned by the last joint."""
    bend = last @ middle.transpose(0, 2, 1)
    return np.asarray(chain[:, 2:] + TIP * np.einsum("tij,tkj->tki", bend, chain[:, 2:] - chain[:, 1:2]))


def _body(turned: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the 33 points of the body, T x 33 x 3."""
    bones = human().bones
    head = bones["head"]
    eyes = places[:, [bones["eye.L"], bones["eye.R"]]].mean(1)
    face = eyes[:, None] + np.einsum("tij,pj->tpi", turned[:, head], np.array([HEAD[i] for i in range(len(HEAD))]))
    limbs = places[:, [bones[f"{limb}.{side}"] for limb in LIMBS for side in "LR"]]
    return np.concatenate([face, limbs], 1)
