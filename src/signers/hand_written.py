"""Glosses written by hand. The movements are invented: the names are real words, the signs are nobody's LSE.

On purpose there are pairs that differ only in the face (JUGAR, BROMEAR), only in the handshape (COMER, BEBER), only in
the place (PENSAR, SENTIR), and glosses that put hands over the face (CASA, MADRE).
"""

from signers.gloss import Gloss, Key, both_hands, in_turn, one_hand, over_base
from signers.hands import hand


def _to_mouth(shape: str) -> tuple[Key, ...]:
    near, far = hand("chin", "in", shape, 0.02, -0.02, -0.05), hand("neutral", "in", shape, -0.02, 0, -0.06)
    return one_hand(far, near, far, near)


def _tap(place: str, shape: str) -> tuple[Key, ...]:
    near, far = hand(place, "in", shape, 0.03), hand(place, "in", shape, 0.10, -0.08)
    return one_hand(far, near, far, near)


_GAME = in_turn(hand("neutral", "in", "why", 0, 0, 0.08), hand("neutral", "out", "why", 0.03, 0, -0.06), 4)

HAND_WRITTEN: tuple[Gloss, ...] = (
    Gloss(
        "HOLA",
        one_hand(
            hand("forehead", "out", "flat"),
            hand("high", "out", "flat"),
            hand("forehead", "out", "flat", 0.02),
            hand("high", "out", "flat"),
        ),
        "oa",
        "up",
    ),
    Gloss(
        "NO",
        one_hand(*(hand("neutral", "out", "one", x, 0, 0.12) for x in (-0.06, 0.09, -0.06, 0.09, -0.06))),
        "o",
        "down",
    ),
    Gloss(
        "AÑO",
        over_base(
            hand("belly", "in", "fist"),
            *(
                hand("chest", "in", "fist", x, -0.03, z)
                for x, z in ((0, 0), (0.12, 0.07), (0, 0.14), (-0.1, 0.07), (0, 0))
            ),
        ),
        "ao",
    ),
    Gloss(
        "CASA",
        both_hands(
            hand("cheek", "side", "flat", -0.11, 0, 0.02),
            hand("side", "side", "flat", -0.02, 0, 0),
            hand("side", "side", "flat", -0.02, 0, -0.2),
        ),
        "aa",
    ),
    Gloss(
        "MADRE",
        one_hand(
            *(hand("chin", "across", "flat", 0.03, y, z) for y, z in ((-0.03, 0.14), (-0.17, 0.05), (-0.03, 0.14)))
        ),
        "mae",
    ),
    Gloss(
        "DÍA",
        over_base(
            hand("belly", "up", "flat"),
            hand("cross", "in", "one", 0.02, 0, -0.04),
            hand("neutral", "in", "one", -0.10, -0.04, 0.10),
            hand("side", "in", "one", 0.02, 0, -0.04),
        ),
        "ia",
    ),
    Gloss("JUGAR", _GAME, "ua", "up"),
    Gloss("BROMEAR", _GAME, "fi", "down"),
    Gloss("COMER", _to_mouth("bunch"), "oe"),
    Gloss("BEBER", _to_mouth("thumb"), "ee"),
    Gloss("PENSAR", _tap("forehead", "one"), "ea", "down"),
    Gloss("SENTIR", _tap("chest", "one"), "ei"),
    Gloss(
        "GRANDE",
        both_hands(hand("chest", "side", "five", -0.02), hand("side", "side", "five", 0.02, -0.02, 0.02)),
        "ae",
        "up",
    ),
    Gloss(
        "SUBIR",
        both_hands(hand("belly", "up", "flat", 0.05), hand("high", "up", "flat", 0.01, -0.04, -0.02)),
        "ui",
        "up",
    ),
    Gloss(
        "AMIGO",
        both_hands(
            hand("chest", "across", "cup", 0.03, -0.04),
            hand("chest", "across", "cup", -0.02, -0.04, 0.04),
            hand("chest", "across", "cup", 0.03, -0.04),
        ),
        "aio",
    ),
    Gloss(
        "LIBRO",
        both_hands(hand("chest", "ahead", "flat", -0.03, -0.04), hand("chest", "up", "flat", 0.06, -0.04)),
        "io",
    ),
    Gloss("AGUA", one_hand(*(hand("chin", "in", "three", x, -0.03, -0.02) for x in (0, 0.06, 0, 0.06))), "aua"),
    Gloss(
        "MIRAR",
        one_hand(hand("cheek", "ahead", "two", 0, -0.02), hand("forward", "ahead", "two", 0.08, 0, 0.10)),
        "ia",
        "up",
    ),
    Gloss(
        "ENFADADO",
        both_hands(
            hand("chest", "in", "claw", 0.04, 0, -0.06),
            hand("chest", "in", "claw", 0.08, 0, 0.12),
            hand("chest", "in", "fist", 0.08, 0, 0.12),
        ),
        "fa",
        "down",
    ),
    Gloss(
        "GORDO",
        both_hands(hand("cheek", "side", "claw", 0.02), hand("cheek", "side", "claw", 0.08, 0, -0.02)),
        "p",
        "up",
    ),
    Gloss("BUENO", one_hand(hand("chin", "in", "bunch"), hand("forward", "up", "five", 0.06, 0, 0.06)), "ueo", "up"),
    Gloss("QUÉ", both_hands(*(hand("neutral", "up", "five", x) for x in (0, 0.07, 0, 0.07))), "e", "down"),
    Gloss("LLAMAR", one_hand(*(hand("cheek", "side", "why", x) for x in (0.0, 0.06, 0.0))), "aa"),
    Gloss("NIÑO", one_hand(*(hand("side", "down", "flat", 0, 0, z) for z in (-0.12, -0.18, -0.12, -0.18))), "io"),
)
