"""One recording of a gloss: the keyframes with a signer's pace, size and the small differences of every repetition."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from signers.body import Pose
from signers.face import BLINK, BROWS, MOUTHS, blend, mouthing
from signers.gloss import Gloss, Key
from signers.hands import REST, Hand, mix
from signers.scene import Style


def rng_of(*words: object) -> np.random.Generator:
    """Return a generator that depends on the words alone."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def ease(share: float) -> float:
    """Return a share of a movement with a gentle start and end."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


@dataclass(frozen=True)
class Habits:
    """What differs from one repetition to the next. Times are shares of the clip, angles degrees, offsets metres."""

    frames: int
    up: float
    down: float
    elbow: float
    blink: float
    offset: np.ndarray
    gaze: np.ndarray
    phases: np.ndarray


def habits_of(style: Style, rng: np.random.Generator) -> Habits:
    """Draw the habits of one repetition."""
    return Habits(
        frames=round(style.frames * rng.uniform(0.9, 1.1)),
        up=0.22 + rng.uniform(-0.04, 0.04),
        down=0.80 + rng.uniform(-0.04, 0.04),
        elbow=rng.uniform(0.30, 0.60),
        blink=rng.uniform(0.2, 0.8),
        offset=rng.normal(0, 0.010, 3),
        gaze=rng.normal(0, 2.5, 3) * [style.liveliness, min(style.liveliness, 2), 1],
        phases=rng.uniform(0, 2 * np.pi, 7),
    )


def between_keys(keys: tuple[Key, ...], progress: float) -> tuple[Hand, Hand]:
    """Return both hands at a progress in 0..1 of the movement."""
    later = next((i for i, key in enumerate(keys) if key.time > progress), len(keys) - 1)
    before, after = keys[later - 1], keys[later]
    share = ease((progress - before.time) / (after.time - before.time))
    return mix(before.right, after.right, share), mix(before.left or REST, after.left or REST, share)


def hands_at(gloss: Gloss, habits: Habits, time: float) -> tuple[Hand, Hand]:
    """Return right and left hand at a time in 0..1 of the clip: up from rest, the movement, down to rest."""
    progress = (time - habits.up) / (habits.down - habits.up)
    right, left = between_keys(gloss.keys, min(max(progress, 0.0), 1.0))
    raised = ease(time / habits.up) * ease((1 - time) / (1 - habits.down))
    return mix(REST, right, raised), mix(REST, left, raised)


def face_at(gloss: Gloss, habits: Habits, time: float) -> dict[str, float]:
    """Return the facial units at a time in 0..1 of the clip."""
    active = ease((time - 0.15) / 0.12) * ease((0.88 - time) / 0.12)
    letter, through = mouthing(gloss.mouth, (time - 0.2) / 0.6)
    blinking = max(0.0, 1 - abs(time - habits.blink) / 0.05)
    return blend(
        (active * np.sin(np.pi * through) ** 0.7, MOUTHS[letter]), (active, BROWS[gloss.brows]), (blinking, BLINK)
    )


def poses(gloss: Gloss, style: Style, rng: np.random.Generator) -> Iterator[Pose]:
    """Yield the poses of one repetition, one a frame."""
    habits = habits_of(style, rng)
    nod = {"up": -3.0, "flat": 0.0, "down": 5.0}[gloss.brows]
    for time in np.linspace(0, 1, habits.frames):
        tremor = 0.004 * np.sin(habits.phases[:3] + 9 * time)
        right, left = (
            hand._replace(wrist=hand.wrist * [style.amplitude, 1, 1] + style.shift + habits.offset + tremor)
            for hand in hands_at(gloss, habits, time)
        )
        swing = 2.0 * np.sin(habits.phases[3:6] + 5 * time) * [style.liveliness, min(style.liveliness, 2), 1]
        turn, tilt, roll = habits.gaze + swing
        head = (turn, tilt + nod * ease(time / 0.3) * ease((1 - time) / 0.2), roll)
        lean = 1.5 * np.sin(habits.phases[6] + 4 * time)
        yield Pose(right, left, habits.elbow, head, lean, face_at(gloss, habits, time))
