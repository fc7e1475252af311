"""What the encoder sees of signing: numbers of a frame, and random changes that leave the sign what it is."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from calse.recognition.architectures.landmarks.signing import (
    FRAMES,
    KNUCKLES,
    PALM,
    TIPS,
    WRIST,
    Floats,
    Signing,
    palm_frame,
)

NUMBERS = 238
UP = (1.8, 0.6)  # the other hand counts in full above 1.2, not at all below 1.8


def frame_numbers(signing: Signing) -> Floats:
    """Return the numbers of each frame, `... T x NUMBERS`."""
    shape, direction, normal = palm_frame(signing.world)
    palm = signing.hands[..., PALM, :].mean(axis=-2)
    offsets = signing.hands[..., 1:, :] - signing.hands[..., :1, :]
    nose = signing.nose[..., None, :]
    up = np.clip((UP[0] - palm[..., 1:]) / UP[1], 0, 1)
    counts = signing.mask[..., None] * np.concatenate([np.ones_like(up[..., :1, :]), up[..., 1:, :]], axis=-2)
    of_hands = [
        flat(0.5 * shape, 2) * counts,
        flat(1.5 * offsets, 2) * counts,
        direction * counts,
        normal * counts,
        palm,
        signing.hands[..., TIPS, :].mean(axis=-2) - nose,
        palm - nose,
        3 * np.gradient(palm, axis=-3),
        signing.mask[..., None],
        up,
    ]
    between = palm[..., 0, :] - palm[..., 1, :]
    parts = [flat(np.concatenate(of_hands, axis=-1), 2), between, flat(0.5 * signing.elbows, 2)]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def flat(values: Floats, axes: int) -> Floats:
    """Return values with their last axes laid out as one."""
    return values.reshape(*values.shape[:-axes], -1)


@dataclass(frozen=True)
class Variation:
    """How far random changes go; degrees, shares and shoulder widths, mostly standard deviations."""

    cut: float = 0.12  # share of a clip that may be missing at either end
    pace: float = 0.35  # of the logarithm of the pace, in each of PIECES
    turn: float = 14.0  # degrees of each hand in space
    joint: float = 0.06  # palm lengths, of a joint throughout the clip
    size: float = 0.10  # of a hand, at most
    shift: float = 0.10  # of both hands
    shift_each: float = 0.05
    amplitude: float = 0.15  # of the movement, at most
    drift: float = 0.05  # from the first frame to the last
    tilt: float = 8.0  # degrees of the picture
    scale: float = 0.12  # of the picture along either axis, at most
    shear: float = 0.08
    noise: float = 0.012  # of every point in every frame
    lost: float = 0.25  # probability that a hand is not found for a while
    lost_for: float = 0.30  # share of the clip, at most

    def __mul__(self, share: float) -> "Variation":
        """Return changes that go a share as far."""
        return Variation(*(getattr(self, name) * share for name in self.__dataclass_fields__))


PIECES = 5


def varied(signing: Signing, variation: Variation, rng: np.random.Generator) -> Signing:
    """Return clips `N x T x ...`, each changed at random in time, hands, place and picture."""
    return _in_picture(
        _in_place(_hands_turned(_in_time(signing, variation, rng), variation, rng), variation, rng), variation, rng
    )


def _in_time(signing: Signing, variation: Variation, rng: np.random.Generator) -> Signing:
    """Cut both ends and change the pace."""
    clips = len(signing.mask)
    cut = rng.uniform(0, variation.cut, (clips, 2))
    pieces = np.cumsum(np.exp(rng.normal(0, variation.pace, (clips, PIECES))), axis=1)
    ends = np.concatenate([np.zeros((clips, 1)), pieces / pieces[:, -1:]], axis=1)
    even, times = np.linspace(0, 1, PIECES + 1), np.linspace(0, 1, FRAMES)
    warped = np.stack([np.interp(times, even, end) for end in ends])
    places = (cut[:, :1] + (1 - cut.sum(axis=1, keepdims=True)) * warped) * (FRAMES - 1)
    before = np.clip(places.astype(int), 0, FRAMES - 2)
    share, row = (places - before).astype(np.float32), np.arange(clips)[:, None]

    def at(values: Floats) -> Floats:
        """Read values at the warped moments, linearly between frames."""
        weight = share.reshape(clips, FRAMES, *[1] * (values.ndim - 2))
        return np.asarray(values[row, before] * (1 - weight) + values[row, before + 1] * weight, np.float32)

    mask = (at(signing.mask) > 0.5).astype(np.float32)
    return Signing(at(signing.hands), at(signing.world), mask, at(signing.nose), at(signing.elbows))


def _hands_turned(signing: Signing, variation: Variation, rng: np.random.Generator) -> Signing:
    """Turn each hand in space, give it other proportions and another size; its wrist stays."""
    clips = len(signing.mask)
    turns = _rotations(rng.normal(0, np.radians(variation.turn), (clips, 2, 3)))
    world = np.einsum("ntsji,nski->ntsjk", signing.world, turns)
    palm = np.linalg.norm(signing.world[..., KNUCKLES, :], axis=-1).mean(axis=(1, 3))
    joints = rng.normal(0, variation.joint, (clips, 1, 2, 21, 3)) * palm[:, None, :, None, None]
    joints[..., KNUCKLES, :] *= 0.3
    joints[..., WRIST, :] = 0
    size = 1 + rng.uniform(-variation.size, variation.size, (clips, 1, 2, 1, 1))
    world = (world + joints * signing.mask[..., None, None]) * size
    wrist = signing.hands[..., :1, :]
    offsets = signing.hands - wrist
    length = np.abs(signing.world[..., :2]).sum(axis=(1, 3, 4))
    scale = np.abs(offsets).sum(axis=(1, 3, 4)) / np.maximum(length, 1e-6)
    moved = (world - signing.world)[..., :2] * scale[:, None, :, None, None]
    return Signing(_f32(wrist + offsets + moved), _f32(world), signing.mask, signing.nose, signing.elbows)


def _in_place(signing: Signing, variation: Variation, rng: np.random.Generator) -> Signing:
    """Move the hands elsewhere, make their way larger or smaller, and lose one for a while."""
    clips = len(signing.mask)
    wrist = signing.hands[..., :1, :]
    middle = wrist.mean(axis=1, keepdims=True)
    shift = rng.normal(0, variation.shift, (clips, 1, 1, 1, 2)) + rng.normal(
        0, variation.shift_each, (clips, 1, 2, 1, 2)
    )
    drift = rng.normal(0, variation.drift, (clips, 1, 2, 1, 2)) * np.linspace(-1, 1, FRAMES).reshape(1, -1, 1, 1, 1)
    amplitude = rng.uniform(-variation.amplitude, variation.amplitude, (clips, 1, 1, 1, 1))
    hands = signing.hands + (wrist - middle) * amplitude + shift + drift
    hands = hands + rng.normal(0, variation.noise, hands.shape)
    lost = rng.random((clips, 2)) < variation.lost / 2
    length = rng.uniform(0, variation.lost_for, (clips, 2)) * FRAMES
    start = rng.uniform(0, FRAMES - length)
    frame = np.arange(FRAMES).reshape(1, -1, 1)
    gone = lost[:, None] & (frame >= start[:, None]) & (frame < (start + length)[:, None])
    hands = np.where(gone[..., None, None], hands[..., :1, :], hands)
    world = np.where(gone[..., None, None], 0, signing.world)
    return Signing(_f32(hands), _f32(world), _f32(signing.mask * ~gone), signing.nose, signing.elbows)


def _in_picture(signing: Signing, variation: Variation, rng: np.random.Generator) -> Signing:
    """Turn, stretch and shear the picture."""
    clips = len(signing.mask)
    angle = rng.normal(0, np.radians(variation.tilt), clips)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=-1).reshape(-1, 2, 2)
    stretch = np.zeros((clips, 2, 2))
    stretch[:, [0, 1], [0, 1]] = 1 + rng.uniform(-variation.scale, variation.scale, (clips, 2))
    stretch[:, 0, 1] = rng.normal(0, variation.shear, clips)
    matrix = (turn @ stretch).swapaxes(1, 2)

    def drawn(points: Floats) -> Floats:
        """Map points by each clip's own matrix."""
        return _f32((points.reshape(clips, -1, 2) @ matrix).reshape(points.shape))

    return Signing(drawn(signing.hands), signing.world, signing.mask, drawn(signing.nose), drawn(signing.elbows))


def _rotations(vectors: np.ndarray) -> np.ndarray:
    """Return the rotation matrices of rotation vectors, `... x 3 x 3` (Rodrigues' formula)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors, -1, 0) / np.maximum(angle[..., 0, 0], 1e-9)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def _f32(values: Any) -> Floats:
    return np.asarray(values, np.float32)
