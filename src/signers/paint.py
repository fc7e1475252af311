"""Skin, hair and cloth as functions of the rest position: no picture of anybody is behind them."""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from signers import kernels
from signers.human import EYES, SKIN, TONGUE, human
from signers.scene import Clothes, Signer

SIZE = 768  # pixels of the side of the skin's texture
MARGIN = 192  # pixels to its right: hanging hair above, eyes and teeth below
EYE_SIZE = 64
TEETH = (0.62, 0.58, 0.50)
SKULL = np.array([0, -0.035, 1.0])
NECK = np.array([0, -0.03, 0.845])
FLUSH = np.array([1.08, 0.80, 0.78])
HAND_BONES = ("wrist", "finger", "metacarpal")

HAIRLINES = {  # angle round the head from the front -> height over the skull's middle, degrees
    "high": ([0, 29, 46, 60, 74, 92, 115, 183], [30, 30, 26, 6, -8, 10, -25, -50]),
    "low": ([0, 29, 46, 60, 74, 92, 115, 183], [29, 27, 20, 2, -6, 0, -30, -55]),
    "receding": ([0, 20, 34, 49, 63, 74, 92, 115, 183], [40, 48, 48, 30, 6, -8, 10, -25, -50]),
}


def ramp(low: float, high: float, values: np.ndarray) -> np.ndarray:
    """Return a smooth step from 0 at `low` to 1 at `high`."""
    share = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def cloud(rng: np.random.Generator, cell: int) -> np.ndarray:
    """Return smooth noise with features of `cell` pixels, SIZE x SIZE, about standard normal."""
    coarse = rng.standard_normal((SIZE // cell, SIZE // cell))
    return np.asarray(cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC))


def noise(rng: np.random.Generator, cell: int) -> np.ndarray:
    """Return a cloud where the mesh is, N."""
    return np.asarray(cloud(rng, cell)[canvas().covered])


def over_hairline(position: np.ndarray, hairline: str) -> np.ndarray:
    """Return how far (radians) a rest position lies above a hairline."""
    away = position - SKULL
    round_head = np.abs(np.arctan2(away[..., 0], -away[..., 1]))
    height = np.arctan2(away[..., 2], np.hypot(away[..., 0], away[..., 1]))
    angles, heights = (np.radians(row) for row in HAIRLINES[hairline])
    return np.asarray(height - np.interp(round_head, angles, heights))


def is_hand(weights: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Return which vertices belong to a hand, V bool."""
    of_hand = [index for name, index in human().bones.items() if name.startswith(HAND_BONES)]
    return np.asarray((np.isin(bones, of_hand) * weights).sum(-1) > 0.55)


def cloth_cover(position: np.ndarray, clothes: Clothes) -> np.ndarray:
    """Return how far a rest position is under clothes, 0..1."""
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    from_neck = np.linalg.norm((position - NECK) * [1, 0.9, 1], axis=-1)
    chin = (y < -0.08) & (z > 0.80)
    cover = ramp(-0.004, 0.004, clothes.sleeve - x) * ramp(-0.003, 0.003, from_neck - clothes.neck) * (z < 0.85) * ~chin
    if clothes.v_neck:
        opening = (z - (NECK[2] - clothes.neck - clothes.v_neck)) * 0.55 - x
        cover = cover * (1 - ramp(-0.003, 0.003, opening) * (y < -0.02))
    return np.asarray(cover)


class Canvas(NamedTuple):
    """What lies under the N texture pixels that the mesh covers: place at rest, part of the body, hand or not."""

    covered: np.ndarray
    position: np.ndarray
    part: np.ndarray
    hand: np.ndarray


def corner_weights(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the barycentric weights (N x 3) of points (N x 2) in triangles (N x 3 x 2)."""
    a, b, c = corners.transpose(1, 0, 2)
    system = np.stack([b - a, c - a], 2)
    second, third = np.linalg.solve(system, (points - a)[..., None])[..., 0].T
    return np.stack([1 - second - third, second, third], 1)


@lru_cache(maxsize=1)
def canvas() -> Canvas:
    """Return what lies under the texture, by drawing the mesh in texture space."""
    body = human()
    points = np.c_[body.uv[:, 0] * SIZE, (1 - body.uv[:, 1]) * SIZE, np.zeros(len(body.uv))].astype(np.float32)
    depth, triangle = np.empty((SIZE, SIZE), np.float32), np.empty((SIZE, SIZE), np.int32)
    kernels.rasterise(points, body.face_uv, 0, depth, triangle)
    rows, columns = np.nonzero(triangle >= 0)
    drawn = triangle[rows, columns]
    corners = body.faces[drawn]
    weights = corner_weights(points[body.face_uv[drawn], :2], np.c_[columns, rows])
    position = (body.canonical[corners] * weights[..., None]).sum(1)
    hand = is_hand(body.weights, body.weight_bones)[corners[:, 0]]
    return Canvas(triangle >= 0, position, body.parts[corners[:, 0]], hand)


def paint_over(texture: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    """Paint a colour over a texture, as far as `cover` says."""
    texture += cover[..., None] * (colour - texture)


def paint_skin(texture: np.ndarray, signer: Signer, rng: np.random.Generator) -> None:
    """Paint skin with its mottling, flushed cheeks and nose, lips, lids, ears and nails."""
    x, y, z = np.abs(canvas().position[:, 0]), canvas().position[:, 1], canvas().position[:, 2]
    masks = {name: mask[canvas().covered] for name, mask in human().masks.items()}
    skin = np.array(signer.skin)
    texture[:] = skin * (1 + 0.05 * noise(rng, 18) + 0.03 * noise(rng, 3))[..., None]
    cheek = np.exp(-(((x - 0.045) / 0.02) ** 2) - ((z - 0.95) / 0.018) ** 2) * (y < -0.06)
    nose = np.exp(-((x / 0.016) ** 2) - ((z - 0.957) / 0.012) ** 2) * (y < -0.13)
    flushed = (0.55 * cheek + 0.5 * nose) * signer.blush + 0.25 * masks["ears"]
    texture *= 1 - flushed[..., None] * (1 - FLUSH)
    paint_over(texture, masks["lips"] * 0.85, np.array(signer.lips))
    paint_over(texture, masks["eyelids"] * 0.5, skin * [0.62, 0.5, 0.5])
    paint_over(texture, masks["fingernails"] * 0.6, skin * 0.5 + np.array([0.40, 0.28, 0.26]))
    paint_over(texture, (masks["inside-mouth"] > 0.5) * 1.0, np.array([0.10, 0.02, 0.02]))
    if signer.freckles:
        spots = ramp(1.0, 1.7, noise(rng, 3)) * np.exp(-(((z - 0.955) / 0.02) ** 2)) * (y < -0.09)
        paint_over(texture, spots * signer.freckles, skin * 0.45)


def paint_brows(texture: np.ndarray, signer: Signer, rng: np.random.Generator) -> None:
    """Paint an arc over each eye, thinner to its outer end."""
    x, y, z = np.abs(canvas().position[:, 0]), canvas().position[:, 1], canvas().position[:, 2]
    along = (x - 0.0127) / 0.042
    arc = EYES[2] + 0.0195 + signer.brows.up + 0.0075 * np.sin(np.clip(along, 0, 1) * 2.2) - 0.002 * along
    thickness = signer.brows.thickness * (1 - 0.55 * np.clip(along, 0, 1))
    brow = (
        np.exp(-(((z - arc) / thickness) ** 4)) * ramp(-0.06, 0.06, along) * ramp(-0.05, 0.12, 1 - along) * (y < -0.10)
    )
    paint_over(texture, np.clip(brow * (1 + 0.2 * noise(rng, 2)), 0, 1), np.array(signer.hair) * 0.55)


def paint_hair(texture: np.ndarray, signer: Signer, rng: np.random.Generator) -> None:
    """Paint the scalp, and a beard if there is one."""
    x, y, z = np.abs(canvas().position[:, 0]), canvas().position[:, 1], canvas().position[:, 2]
    scalp = ramp(-0.06, 0.08, over_hairline(canvas().position, signer.hairline) + 0.02 * noise(rng, 4))
    paint_over(texture, scalp * (z > 0.88) * (x < 0.2), np.array(signer.hair))
    if signer.beard:
        mouth = 0.012 - np.hypot(x * 0.62, z - 0.9135)
        jaw = ramp(0.955, 0.935, z + 0.25 * np.maximum(x - 0.03, 0)) * ramp(0.855, 0.875, z) * (y < -0.03)
        jaw = jaw * (1 - ramp(-0.004, 0.004, mouth))
        moustache = np.exp(-(((z - 0.9335) / 0.0055) ** 2)) * ramp(0.032, 0.024, x) * (y < -0.1)
        clear_of_lips = ramp(0, 0.012, np.abs(z - 0.9135) + x * 0.4 - 0.006)
        cover = np.maximum(jaw, moustache) * clear_of_lips * signer.beard
        paint_over(texture, np.clip(cover * (0.8 + 0.4 * noise(rng, 2)), 0, 1), np.array(signer.hair))


def eye_patch(signer: Signer) -> np.ndarray:
    """Return an eye seen from the front, EYE_SIZE x EYE_SIZE x 3: white, iris with its dark rim, pupil, a glint."""
    z, x = np.mgrid[1 : -1 : EYE_SIZE * 1j, -1 : 1 : EYE_SIZE * 1j]
    off_axis = np.arcsin(np.clip(np.hypot(x, z), 0, 1))[..., None]
    iris, rim = ramp(0.46, 0.40, off_axis), ramp(0.36, 0.44, off_axis) * ramp(0.50, 0.44, off_axis)
    eye = np.array([0.62, 0.58, 0.56]) * (1 - iris) + iris * np.array(signer.iris)
    eye = eye * (1 - 0.7 * rim) * ramp(0.15, 0.19, off_axis)
    glint = ramp(0.16, 0.08, np.hypot(x + 0.16, z - 0.18))[..., None]
    return np.asarray(eye + glint * 0.9)


def paint_clothes(texture: np.ndarray, signer: Signer, rng: np.random.Generator) -> None:
    """Paint what the signer wears."""
    clothes, position = signer.clothes, canvas().position
    colour = np.array(clothes.colour) * (1 + 0.06 * noise(rng, 2))[..., None]
    if clothes.stripes:
        frequency, other = clothes.stripes
        colour = np.where((np.sin(position[..., 2] * frequency) > 0.2)[..., None], other, colour)
    cover = cloth_cover(position, clothes) * (canvas().part == SKIN) * ~canvas().hand
    paint_over(texture, cover, colour)


def bled(skin: np.ndarray) -> np.ndarray:
    """Return the texture, SIZE x SIZE x 3, with colours carried a few pixels over the borders of its islands."""
    texture, known = np.zeros((SIZE, SIZE, 3)), canvas().covered.astype(float)
    texture[canvas().covered] = skin
    for _ in range(4):
        total, weight = cv2.blur(texture * known[..., None], (3, 3)), cv2.blur(known, (3, 3))
        new = (known == 0) & (weight > 0)
        texture[new] = total[new] / weight[new][:, None]
        known[new] = 1
    return texture


def strands(signer: Signer, rng: np.random.Generator, width: int) -> np.ndarray:
    """Return the texture of hanging hair: SIZE x width x 3."""
    streaks = cv2.blur(1 + 0.22 * cloud(rng, 2), (1, 31))[:, :width, None]
    return np.asarray(np.array(signer.hair) * (1 + 2.2 * (streaks - 1)))


def texture_of(signer: Signer, rng: np.random.Generator) -> np.ndarray:
    """Return a signer's colours, SIZE x (SIZE + MARGIN) x 3 float32 linear RGB."""
    skin = np.zeros((canvas().covered.sum(), 3))
    paint_skin(skin, signer, rng)
    paint_brows(skin, signer, rng)
    paint_hair(skin, signer, rng)
    paint_over(skin, (canvas().part == TONGUE) * 1.0, np.array([0.30, 0.07, 0.07]))
    paint_clothes(skin, signer, rng)
    whole = np.concatenate([bled(skin), strands(signer, rng, MARGIN)], 1)
    whole[-EYE_SIZE:, SIZE : SIZE + EYE_SIZE] = eye_patch(signer)
    whole[-EYE_SIZE:, SIZE + EYE_SIZE :] = TEETH
    return np.asarray(np.clip(whole, 0.003, 1), np.float32)
