"""What a face does: visemes, brows and blinks as weights of facial units."""

MOUTHS: dict[str, dict[str, float]] = {  # one letter of a gloss's mouth pattern
    "a": {"jawOpen": 0.65, "mouthLowerDownLeft": 0.3, "mouthLowerDownRight": 0.3},
    "e": {
        "jawOpen": 0.3,
        "mouthStretchLeft": 0.5,
        "mouthStretchRight": 0.5,
        "mouthUpperUpLeft": 0.3,
        "mouthUpperUpRight": 0.3,
    },
    "i": {
        "jawOpen": 0.15,
        "mouthSmileLeft": 0.8,
        "mouthSmileRight": 0.8,
        "mouthStretchLeft": 0.5,
        "mouthStretchRight": 0.5,
    },
    "o": {"jawOpen": 0.35, "mouthFunnel": 0.9},
    "u": {"mouthPucker": 1.0},
    "m": {"mouthPressLeft": 0.8, "mouthPressRight": 0.8, "mouthRollLower": 0.4},
    "p": {"cheekPuff": 1.0, "mouthPucker": 0.4},
    "f": {"mouthFrownLeft": 0.9, "mouthFrownRight": 0.9},
    "t": {"tongueOut": 1.0, "jawOpen": 0.4},
}

# A small picture needs larger brows than life: their weights pass 1.
BROWS: dict[str, dict[str, float]] = {
    "flat": {},
    "up": {
        "browInnerUp": 1.8,
        "browOuterUpLeft": 1.8,
        "browOuterUpRight": 1.8,
        "eyeWideLeft": 0.6,
        "eyeWideRight": 0.6,
    },
    "down": {"browDownLeft": 1.5, "browDownRight": 1.5, "eyeSquintLeft": 0.3, "eyeSquintRight": 0.3},
}

BLINK = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
MOUTH_UNITS = sorted({unit for units in MOUTHS.values() for unit in units})
BROW_UNITS = sorted({unit for units in BROWS.values() for unit in units})


def blend(*parts: tuple[float, dict[str, float]]) -> dict[str, float]:
    """Return the facial units of several weighted parts together."""
    total: dict[str, float] = {}
    for weight, units in parts:
        for name, value in units.items():
            total[name] = total.get(name, 0.0) + weight * value
    return total


def mouthing(pattern: str, progress: float) -> tuple[str, float]:
    """Return the letter of a mouth pattern in force at a progress in 0..1, and how far through it the mouth is."""
    position = min(max(progress, 0.0), 0.999) * len(pattern)
    return pattern[int(position)], position % 1
