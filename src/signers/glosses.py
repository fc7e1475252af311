"""The vocabulary: glosses written by hand, then composed ones; and what donors say to the camera."""

from signers.composition import compositions
from signers.gloss import Gloss, Key
from signers.hand_written import HAND_WRITTEN
from signers.hands import REST


def glosses(count: int) -> list[Gloss]:
    """Return the first `count` glosses: the hand-written ones in their order, then SIGNO-0025 and on."""
    first = len(HAND_WRITTEN)
    composed = [one.gloss(f"SIGNO-{first + i + 1:04d}") for i, one in enumerate(compositions(count - first))]
    return [*HAND_WRITTEN[:count], *composed]


# What a donor says to the camera: all that a signer's face may do, and no hand before it.
SCRIPT = (("aeoi", "flat"), ("uaem", "up"), ("ofai", "down"), ("eoua", "up"), ("iaoe", "down"))


def speech(take: int) -> Gloss:
    """Return what every donor says in a take, 1 or more: spoken with resting hands, and no sign."""
    mouth, brows = SCRIPT[(take - 1) % len(SCRIPT)]
    return Gloss("SPEECH", (Key(0, REST, REST), Key(1, REST, REST)), mouth, brows)
