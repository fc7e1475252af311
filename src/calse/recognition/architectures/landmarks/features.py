"""What time warping compares of two frames: groups of numbers, each with its weight."""

from typing import NamedTuple

import numpy as np

from calse.recognition.architectures.landmarks.signing import PALM, TIPS, Floats, Signing, palm_frame


class Group(NamedTuple):
    """Numbers of a frame that are compared by Euclidean distance: how many, with which weight.

    `hand` is the hand that both frames must show, -1 for none.
    """

    numbers: int
    weight: float
    hand: int = -1


GROUPS = {
    "shape of the leading hand": Group(60, 2, hand=0),
    "its orientation": Group(6, 0.5, hand=0),
    "its place": Group(2, 1),
    "its tips": Group(10, 0.5),
    "from the nose to its tips": Group(2, 0.5),
    "its velocity": Group(2, 1),
    "shape of the other hand": Group(60, 0.5, hand=1),
    "orientation of the other": Group(6, 0.25, hand=1),
    "place of the other": Group(2, 0.35),
    "velocity of the other": Group(2, 0.25),
    "from the other to the leading": Group(2, 0.5),
    "elbows": Group(4, 0.3),
    "other hand up": Group(1, 0.5),
}
ROWS = sum(group.numbers for group in GROUPS.values()) + 2  # and whether each hand was found; the last but two is `up`
UP = (1.5, 0.5)  # the other hand counts in full above 1, not at all below 1.5
VELOCITY_OVER = 2  # frames to either side


def features(signing: Signing) -> Floats:
    """Return what is compared, `... x ROWS x T`: the groups in their order, then whether each hand was found."""
    shape, direction, normal = palm_frame(signing.world)
    place = signing.hands[..., PALM, :].mean(axis=-2)
    tips = signing.hands[..., TIPS, :]
    frames = np.arange(place.shape[-3])
    before, after = (np.clip(frames + step, 0, frames[-1]) for step in (-VELOCITY_OVER, VELOCITY_OVER))
    velocity = np.asarray(place[..., after, :, :] - place[..., before, :, :], np.float32)
    other_up = np.clip((UP[0] - place[..., 1, 1:]) / UP[1], 0, 1)
    flat_shape = shape.reshape(*shape.shape[:-2], -1) / np.sqrt(shape.shape[-2])
    turned = np.concatenate([direction, normal], axis=-1)
    parts = [
        flat_shape[..., 0, :],
        turned[..., 0, :],
        place[..., 0, :],
        tips[..., 0, :, :].reshape(*tips.shape[:-3], -1) / np.sqrt(len(TIPS)),
        tips[..., 0, :, :].mean(axis=-2) - signing.nose,
        velocity[..., 0, :],
        flat_shape[..., 1, :],
        turned[..., 1, :],
        place[..., 1, :],
        velocity[..., 1, :],
        place[..., 0, :] - place[..., 1, :],
        signing.elbows.reshape(*signing.elbows.shape[:-2], -1),
        other_up,
        signing.mask,
    ]
    return np.ascontiguousarray(np.concatenate(parts, axis=-1).swapaxes(-1, -2), np.float32)
