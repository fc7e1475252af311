"""Drawing a figure: camera, backdrop, light, twice as large as asked and then averaged down."""

import itertools
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from signers import kernels
from signers.figure import Figure
from signers.human import human
from signers.scene import Backdrop, Camera, Light

DISTANCE = 2.75  # metres from the camera to its target
WALL = 0.35  # metres from the target to the wall
HOLLOW = 0.06  # metres of depth that count as one
OVER = 2  # supersampling; `kernels.shade` averages 2 x 2
TONE = ((np.linspace(0, 1, 4096) ** (1 / 2.2)) * 255 + 0.5).astype(np.uint8)


class View(NamedTuple):
    """A mesh seen by a camera: `space` in metres (x right, y away, z up), `points` in pixels with their depth."""

    space: np.ndarray
    points: np.ndarray


def look(vertices: np.ndarray, camera: Camera, width: int, height: int) -> View:
    """Project vertices (V x 3) to a picture. Whole pixel coordinates are the centres of pixels."""
    turn = Rotation.from_euler("xz", [camera.pitch, camera.yaw], degrees=True).as_matrix()
    space = (vertices - np.array(camera.target, np.float32)) @ turn.T.astype(np.float32)
    space[:, 1] += DISTANCE
    pixels = height * DISTANCE / camera.height / space[:, 1]
    x, y = space[:, 0] * pixels + width / 2 - 0.5, height / 2 - 0.5 - space[:, 2] * pixels
    return View(np.asarray(space, np.float32), np.stack([x, y, space[:, 1]], 1).astype(np.float32))


def _books(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Draw four shelves of books."""
    height, width = picture.shape[:2]
    edges = np.cumsum(0.02 + 0.03 * rng.random(60)) - 0.1
    for shelf in range(4):
        bottom = int(height * (0.28 + 0.30 * shelf))
        for left, right in itertools.pairwise(edges):
            colour, tall = (rng.random(3) * 0.35 + 0.03).tolist(), 0.08 + 0.12 * rng.random()
            if rng.random() < 0.85:
                cv2.rectangle(
                    picture,
                    (int(left * width), bottom - int(tall * height)),
                    (int(right * width) - 1, bottom),
                    colour,
                    -1,
                )
        cv2.rectangle(picture, (0, bottom), (width, bottom + height // 60), (0.16, 0.09, 0.05), -1)


@lru_cache(maxsize=4)
def backdrop_picture(backdrop: Backdrop, width: int, height: int) -> np.ndarray:
    """Return a wall, H x W x 3 float32 linear RGB: drawn OVER times larger, then averaged."""
    size, width, height = (width, height), width * OVER, height * OVER
    rng = np.random.default_rng(backdrop.seed)
    y, x = np.mgrid[0:height, 0:width]
    light = 1 - backdrop.vignette * 2 * ((x / width - 0.5) ** 2 + (y / height - 0.4) ** 2)
    clouds = cv2.resize(rng.standard_normal((12, 12)), (width, height), interpolation=cv2.INTER_CUBIC)
    picture = np.array(backdrop.colour) * (light + backdrop.clouds * clouds)[..., None]
    if backdrop.shelf:
        _books(picture, rng)
        picture = cv2.GaussianBlur(picture, (0, 0), height / 90)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def shadow_on_wall(seen: np.ndarray) -> np.ndarray:
    """Return a soft shadow of a silhouette (H x W bool), thrown down and to the right, H x W in 0..1."""
    height, width = seen.shape
    small = cv2.resize(seen.astype(np.float32), (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    down, right = height // 4 // 50, height // 4 // 33
    thrown = cv2.copyMakeBorder(small, down, 0, right, 0, cv2.BORDER_CONSTANT)[: small.shape[0], : small.shape[1]]
    side = int(0.09 * small.shape[0]) * 2 + 1
    return np.asarray(cv2.resize(cv2.blur(thrown, (side, side)), (width, height)))


def hollows(depth: np.ndarray) -> np.ndarray:
    """Return how many metres each pixel lies behind its neighbourhood, H x W float32: where light reaches less."""
    far = np.asarray(np.minimum(depth, np.float32(DISTANCE + WALL)))
    total = np.zeros_like(far)
    for share in (0.008, 0.025):
        side = int(share * far.shape[0]) * 2 + 1
        total += np.clip(far - cv2.blur(far, (side, side)), 0, HOLLOW)
    return total


def light_on(space: np.ndarray, normals: np.ndarray, light: Light, figure: Figure) -> np.ndarray:
    """Return the light that reaches each vertex, V x 4 (see `kernels.light_vertices`)."""
    lights = np.array(light.lights, np.float32)
    lights[:, 0] /= np.linalg.norm(lights[:, 0], axis=1, keepdims=True)
    out = np.empty((len(space), 4), np.float32)
    ambient = np.array(light.ambient, np.float32)
    shine = np.asarray(figure.shine, np.float32)
    kernels.light_vertices(space, normals, shine, len(human().canonical), ambient, lights, out)
    return out


@lru_cache(maxsize=2)
def _buffers(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return room for depths and triangles, used again for every frame: fresh memory costs a third of drawing in it."""
    return np.empty((height, width), np.float32), np.empty((height, width), np.int32)


class Picture(NamedTuple):
    """A frame (H x W x 3 uint8 RGB) and the depth behind each of its pixels (H x W metres, 1e9 for the wall)."""

    frame: np.ndarray
    depth: np.ndarray


def draw(figure: Figure, view: View, light: Light, backdrop: Backdrop, width: int, height: int) -> Picture:
    """Draw a figure in front of its wall."""
    samples = view.points * np.array([OVER, OVER, 1], np.float32) + np.array([0.5, 0.5, 0], np.float32)
    depths, triangle = _buffers(height * OVER, width * OVER)
    kernels.rasterise(samples, figure.faces, len(human().faces), depths, triangle)
    depth = depths[::OVER, ::OVER].copy()
    normals = np.empty_like(view.space)
    kernels.vertex_normals(view.space, figure.faces, normals)
    frame = np.empty((height, width, 3), np.uint8)
    kernels.shade(
        frame,
        backdrop_picture(backdrop, width, height),
        np.float32(light.shadow) * shadow_on_wall(depth < DISTANCE + WALL),
        hollows(depth),
        triangle,
        samples,
        figure.faces,
        light_on(view.space, normals, light, figure),
        figure.face_uv,
        figure.uv,
        figure.texture,
        TONE,
    )
    return Picture(frame, depth)
