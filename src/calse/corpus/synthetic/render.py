"""Drawing a figure: camera, backdrop, light, twice as large as asked and then averaged down."""

import itertools
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from calse.corpus.synthetic import kernels
from calse.corpus.synthetic.figure import Figure
from calse.corpus.synthetic.human import human
from calse.corpus.synthetic.scene import Backdrop, Camera, Light

DISTANCE = 2.75  # metres from the camera to its target
WALL = 0.35  # metres from the target to the wall
HOLLOW = 0.06  # metres of depth that count as one
OVER = 2  # supersampling; `kernels.develop` averages 2 x 2
TONE = ((np.linspace(0, 1, 4096) ** (1 / 2.2)) * 255 + 0.5).astype(np.uint8)


class View(NamedTuple):
    """A mesh seen by a camera: `space` in metres (x right, y away, z up), `points` in pixels with their depth."""

    space: np.ndarray
    points: np.ndarray


def look(vertices: np.ndarray, camera: Camera, width: int, height: int) -> View:
    """Project vertices (V x 3) to a picture. Whole pixel coordinates are the centres of pixels."""
    turn = Rotation.from_euler("xz", [camera.pitch, camera.yaw], degrees=True).as_matrix()
    space = (vertices - np.array(camera.target)) @ turn.T
    space[:, 1] += DISTANCE
    pixels = height * DISTANCE / camera.height / space[:, 1]
    x, y = space[:, 0] * pixels + width / 2 - 0.5, height / 2 - 0.5 - space[:, 2] * pixels
    return View(space.astype(np.float32), np.stack([x, y, space[:, 1]], 1).astype(np.float32))


def supersampled(points: np.ndarray) -> np.ndarray:
    """Return pixel coordinates of a picture in its OVER times larger version."""
    return np.asarray(points * [OVER, OVER, 1] + [OVER / 2 - 0.5, OVER / 2 - 0.5, 0], np.float32)


def _books(picture: np.ndarray, rng: np.random.Generator) -> None:
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
    """Return a wall, H x W x 3 float32 linear RGB."""
    rng = np.random.default_rng(backdrop.seed)
    y, x = np.mgrid[0:height, 0:width]
    light = 1 - backdrop.vignette * 2 * ((x / width - 0.5) ** 2 + (y / height - 0.4) ** 2)
    clouds = cv2.resize(rng.standard_normal((12, 12)), (width, height), interpolation=cv2.INTER_CUBIC)
    picture = np.array(backdrop.colour) * (light + backdrop.clouds * clouds)[..., None]
    if backdrop.shelf:
        _books(picture, rng)
        picture = cv2.GaussianBlur(picture, (0, 0), height / 90)
    return np.asarray(picture, np.float32)


def shadow_on_wall(seen: np.ndarray) -> np.ndarray:
    """Return a soft shadow of a silhouette (H x W bool), thrown down and to the right, H x W in 0..1."""
    height, width = seen.shape
    small = cv2.resize(seen.astype(np.float32), (width // 8, height // 8), interpolation=cv2.INTER_AREA)
    down, right = height // 8 // 50, height // 8 // 33
    thrown = cv2.copyMakeBorder(small, down, 0, right, 0, cv2.BORDER_CONSTANT)[: small.shape[0], : small.shape[1]]
    side = int(0.09 * small.shape[0]) * 2 + 1
    return np.asarray(cv2.resize(cv2.blur(thrown, (side, side)), (width, height)))


def hollows(depth: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return how many metres each pixel lies behind its neighbourhood, H/2 x W/2 float32: where light reaches less."""
    far = np.where(seen, depth, np.float32(DISTANCE + WALL))[::2, ::2]
    total = np.zeros_like(far)
    for share in (0.008, 0.025):
        side = int(share * far.shape[0]) * 2 + 1
        total += np.clip(far - cv2.blur(far, (side, side)), 0, HOLLOW)
    return total


def light_on(space: np.ndarray, normals: np.ndarray, light: Light, figure: Figure) -> np.ndarray:
    """Return the light that reaches each vertex, V x 4: red, green, blue (ambient and wrapped diffuse), highlight."""
    to_camera, normals = unit(-space.T), unit(normals.T)
    away = (normals * to_camera).sum(0) < 0
    away[: len(human().canonical)] = False
    normals *= np.where(away, np.float32(-1), np.float32(1))
    out = np.empty((4, len(space)), np.float32)
    out[:3] = column(light.ambient) * (0.75 + 0.25 * normals[2])
    for direction, colour in light.lights:
        out[:3] += column(colour) * np.maximum(0, ((unit(column(direction)) * normals).sum(0) + 0.25) / 1.25)
    half = unit(to_camera + unit(column(light.lights[0][0])))
    strength, exponent = figure.shine.T.astype(np.float32)
    out[3] = strength * np.maximum(0, (normals * half).sum(0)) ** exponent * light.lights[0][1][1]
    return np.ascontiguousarray(out.T)


def column(values: tuple[float, float, float]) -> np.ndarray:
    """Return three numbers as 3 x 1 float32."""
    return np.array(values, np.float32)[:, None]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (3 x N float32: numpy is ten times faster along rows than across) at length 1."""
    vectors = np.ascontiguousarray(vectors)
    return np.asarray(vectors / (np.sqrt((vectors * vectors).sum(0)) + np.float32(1e-12)))


class Picture(NamedTuple):
    """A frame (H x W x 3 uint8 RGB) and the depth behind each of its pixels (H x W metres, 1e9 for the wall)."""

    frame: np.ndarray
    depth: np.ndarray


def draw(figure: Figure, view: View, light: Light, backdrop: Backdrop, width: int, height: int) -> Picture:
    """Draw a figure in front of its wall."""
    size = (height * OVER, width * OVER)
    points = supersampled(view.points)
    depth, triangle = np.empty(size, np.float32), np.empty(size, np.int32)
    kernels.rasterise(points, figure.faces, len(human().faces), depth, triangle)
    seen = triangle >= 0
    normals = np.empty_like(view.space)
    kernels.vertex_normals(view.space, figure.faces, normals)
    linear = np.empty((*size, 3), np.float32)
    kernels.shade(
        linear,
        backdrop_picture(backdrop, size[1], size[0]),
        np.float32(light.shadow) * shadow_on_wall(seen),
        triangle,
        hollows(depth, seen),
        points,
        figure.faces,
        light_on(view.space, normals, light, figure),
        figure.face_uv,
        figure.uv,
        figure.texture,
    )
    frame = np.empty((height, width, 3), np.uint8)
    kernels.develop(linear, TONE, frame)
    return Picture(frame, depth[::OVER, ::OVER])
