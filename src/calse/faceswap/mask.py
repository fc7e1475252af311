"""Which pixels are face: masks drawn from landmarks, as shares 0..1 of each pixel."""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Points = NDArray[np.floating]

# Rings and groups of the 468-point mesh.
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
        150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
EYES_WITH_BROWS = ((33, 7, 163, 144, 145, 153, 154, 155, 133, 70, 63, 105, 66, 107),
                   (263, 249, 390, 373, 374, 380, 381, 382, 362, 300, 293, 334, 296, 336))  # fmt: skip
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
WIDEST = (234, 454)  # where the face is widest

PALM = (0, 1, 2, 5, 9, 13, 17)
FINGERS = ((0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (0, 9, 10, 11, 12), (0, 13, 14, 15, 16), (0, 17, 18, 19, 20))
FINGER_WIDTH = 0.42  # of the palm's width, with some skin to spare: landmarks run along the bones
SUBPIXEL = 4  # bits


def face_mask(
    landmarks: Points, hands: Points, height: int, width: int, erode: float = 0, feather: float = 0
) -> Floats:
    """Return the face without the hands in front of it, `H x W`.

    `landmarks` are `468 x 2 or 3`, `hands` `2 x 21 x 2 or 3` (NaN: no hand), in the picture's pixels. `erode` and
    `feather` are shares of the face's width; both go inwards, so that what is outside the face or on a hand is
    exactly 0.
    """
    mask = np.zeros((height, width), np.float32)
    window = face_window(landmarks, height, width)
    face = face_outline(landmarks, height, width)[window]
    inside = np.where(hand_mask(hands, height, width)[window], np.uint8(0), face)
    if erode == 0 and feather == 0:
        mask[window] = inside
    elif inside.any():
        depth = distance(inside) - erode * face_width(landmarks)
        share = np.clip(depth / max(feather * face_width(landmarks), 1e-6), 0, 1)
        mask[window] = share * share * (3 - 2 * share)
    return mask


def face_outline(landmarks: Points, height: int, width: int) -> NDArray[np.uint8]:
    """Return 1 inside the outline of the face, else 0, `H x W`."""
    return fill([landmarks[list(OVAL)]], height, width)


def face_window(landmarks: Points, height: int, width: int) -> tuple[slice, slice]:
    """Return rows and columns of the face and of the pixels next to it: in a large picture all else costs time."""
    oval = landmarks[list(OVAL), :2]
    low = np.clip(np.floor(oval.min(axis=0)).astype(int) - 2, 0, [width, height]).tolist()
    high = np.clip(np.ceil(oval.max(axis=0)).astype(int) + 3, 0, [width, height]).tolist()
    return slice(low[1], high[1]), slice(low[0], high[0])


def distance(inside: NDArray[np.uint8]) -> Floats:
    """Return each pixel's distance to the nearest 0, `H x W`, in pixels.

    OpenCV's own last bits depend on where the picture lies in memory; the square, a whole number, is never in doubt.
    """
    rough = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
    return np.sqrt(np.rint(np.square(rough, out=rough), out=rough), out=rough)


def hand_mask(hands: Points, height: int, width: int) -> NDArray[np.uint8]:
    """Return 1 where a hand is, `H x W`: palm and fingers about as thick as flesh."""
    canvas = np.zeros((height, width), np.uint8)
    for hand in hands[~np.isnan(hands).any(axis=(1, 2))]:
        across, along = (float(np.linalg.norm(hand[one, :2] - hand[other, :2])) for one, other in ((5, 17), (0, 9)))
        palm = max(across, 0.6 * along)  # a palm seen from its edge is not thinner than that
        thickness = max(1, round(FINGER_WIDTH * palm))
        cv2.fillConvexPoly(canvas, cv2.convexHull(fixed_point(hand[list(PALM)])), 1, shift=SUBPIXEL)
        for finger in FINGERS:
            cv2.polylines(canvas, [fixed_point(hand[list(finger)])], False, 1, thickness, shift=SUBPIXEL)
    return canvas


def hand_share(landmarks: Points, hands: Points, height: int, width: int) -> float:
    """Return the share of the face that hands hide."""
    window = face_window(landmarks, height, width)
    face = face_outline(landmarks, height, width)[window]
    hidden = face & hand_mask(hands, height, width)[window]
    return float(hidden.sum() / max(1, face.sum()))


def detail_weights(landmarks: Points, height: int, width: int, eyes: float, mouth: float) -> Floats:
    """Return how much each pixel counts, `H x W`: `eyes` on eyes and brows, `mouth` on the mouth, 1 elsewhere."""
    spread = 0.05 * face_width(landmarks)
    grown = np.ones((2 * max(1, round(spread)) + 1,) * 2, np.uint8)
    weights = np.ones((height, width), np.float32)
    groups: list[tuple[float, tuple[tuple[int, ...], ...]]] = [(mouth, (LIPS,)), (eyes, EYES_WITH_BROWS)]
    for weight, rings in groups:
        hulls = [cv2.convexHull(landmarks[list(ring), :2].astype(np.float32))[:, 0] for ring in rings]
        weights[cv2.dilate(fill(hulls, height, width), grown) > 0] = weight
    return weights


def face_width(landmarks: Points) -> float:
    """Return the distance between the sides of the face in pixels."""
    left, right = landmarks[list(WIDEST), :2]
    return float(np.linalg.norm(left - right))


def fill(polygons: list[Points], height: int, width: int) -> NDArray[np.uint8]:
    """Return 1 inside any of the polygons `P x 2 or more`, else 0, `H x W`."""
    canvas = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(canvas, [fixed_point(polygon)], 1, shift=SUBPIXEL)
    return canvas


def fixed_point(points: Points) -> NDArray[np.int32]:
    """Return points as OpenCV's fixed-point numbers with SUBPIXEL bits."""
    return np.asarray(np.round(points[:, :2] * 2**SUBPIXEL), np.int32)
