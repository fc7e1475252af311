"""The inner loops of the renderer, compiled: bones, skinning, normals, z-buffer, shading. Plain arrays, float32."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """Compile a function of arrays at its first call; later processes find it in the cache."""
    kernel: Kernel = numba.njit(cache=True, fastmath=True, error_model="numpy")(function)
    return kernel


@compiled
def chain(parents: Any, local: Any, fixed: Any, heads: Any, turns: Any, places: Any) -> None:
    """Forward kinematics: `local` (B x 3 x 3) counts from the parent bone, or globally where `fixed` (B)."""
    for bone in range(len(parents)):  # numbers only: assigning rows would take seconds to compile
        parent, root = parents[bone], bone == 0
        for i in range(3):
            place = heads[bone, i] if root else places[parent, i]
            for j in range(3):
                if not root:
                    place += turns[parent, i, j] * (heads[bone, j] - heads[parent, j])
                turn = local[bone, i, j]
                if not (root or fixed[bone]):
                    turn = 0.0
                    for k in range(3):
                        turn += turns[parent, i, k] * local[bone, k, j]
                turns[bone, i, j] = turn
            places[bone, i] = place


@compiled
def skin(vertices: Any, weights: Any, bones: Any, turns: Any, shifts: Any, out: Any) -> None:
    """Linear blend skinning: out = sum of weight x (turn of the bone x vertex + its shift)."""
    for v in range(len(vertices)):
        x, y, z = vertices[v, 0], vertices[v, 1], vertices[v, 2]
        for axis in range(3):
            total = np.float32(0)
            for k in range(bones.shape[1]):
                w, b = weights[v, k], bones[v, k]
                if w > 0:
                    r = turns[b, axis]
                    total += w * (r[0] * x + r[1] * y + r[2] * z + shifts[b, axis])
            out[v, axis] = total


@compiled
def vertex_normals(vertices: Any, faces: Any, out: Any) -> None:
    """Sum of the area-weighted face normals round each vertex; not of unit length."""
    out[:] = 0
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        wx, wy, wz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        nx, ny, nz = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        for corner in range(3):
            v = faces[f, corner]
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz


@compiled
def rasterise(points: Any, faces: Any, both_sided: int, depth: Any, triangle: Any) -> None:
    """Z-buffer. `points`: V x 3 pixel x, y and depth; writes the nearest depth and its triangle, -1 for none.

    Triangles before `both_sided` are drawn only where they face the camera.
    """
    height, width = depth.shape
    depth[:] = np.float32(1e9)
    triangle[:] = -1
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
        bx, by, cx, cy = points[b, 0] - ax, points[b, 1] - ay, points[c, 0] - ax, points[c, 1] - ay
        left, right = max(0, math.ceil(ax + min(0, bx, cx))), min(width - 1, math.floor(ax + max(0, bx, cx)))
        top, bottom = max(0, math.ceil(ay + min(0, by, cy))), min(height - 1, math.floor(ay + max(0, by, cy)))
        area = bx * cy - cx * by
        if left > right or top > bottom or abs(area) < 1e-9 or (area > 0 and f < both_sided):
            continue
        inverse = 1 / area
        bz, cz = points[b, 2] - az, points[c, 2] - az
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                w1 = ((x - ax) * cy - cx * (y - ay)) * inverse
                w2 = (bx * (y - ay) - (x - ax) * by) * inverse
                z = az + w1 * bz + w2 * cz
                if w1 >= 0 and w2 >= 0 and w1 + w2 <= 1 and z < depth[y, x]:
                    depth[y, x] = z
                    triangle[y, x] = f


@compiled
def barycentric(points: Any, faces: Any, f: int, x: float, y: float) -> Any:
    """Return the three weights of the point (x, y) in triangle f."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    ax, ay = points[a, 0], points[a, 1]
    bx, by, cx, cy = points[b, 0] - ax, points[b, 1] - ay, points[c, 0] - ax, points[c, 1] - ay
    inverse = 1 / (bx * cy - cx * by)
    w1 = ((x - ax) * cy - cx * (y - ay)) * inverse
    w2 = (bx * (y - ay) - (x - ax) * by) * inverse
    return np.float32(1 - w1 - w2), np.float32(w1), np.float32(w2)


@compiled
def shade(
    picture: Any,
    wall: Any,
    shadow: Any,
    triangle: Any,
    hollow: Any,
    points: Any,
    faces: Any,
    light: Any,
    face_uv: Any,
    uv: Any,
    texture: Any,
) -> None:
    """Colour every pixel in linear RGB: texture x light + highlight, or the wall as far as no `shadow` lies on it.

    `light`: V x 4, red, green, blue and highlight that reach a vertex; `hollow`: metres that a pixel lies
    behind its neighbourhood, at half resolution; `uv`: T x 2 texture pixels.
    """
    for y in range(triangle.shape[0]):
        for x in range(triangle.shape[1]):
            f = triangle[y, x]
            if f < 0:
                for i in range(3):
                    picture[y, x, i] = wall[y, x, i] * (1 - shadow[y, x])
                continue
            w0, w1, w2 = barycentric(points, faces, f, x, y)
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            p, q, r = face_uv[f, 0], face_uv[f, 1], face_uv[f, 2]
            u = int(w0 * uv[p, 0] + w1 * uv[q, 0] + w2 * uv[r, 0])
            v = int(w0 * uv[p, 1] + w1 * uv[q, 1] + w2 * uv[r, 1])
            reached = max(np.float32(0.45), 1 - 7 * hollow[y // 2, x // 2])
            shine = w0 * light[a, 3] + w1 * light[b, 3] + w2 * light[c, 3]
            for i in range(3):
                lit = (w0 * light[a, i] + w1 * light[b, i] + w2 * light[c, i]) * reached
                picture[y, x, i] = texture[v, u, i] * lit + shine


@compiled
def develop(picture: Any, curve: Any, out: Any) -> None:
    """Average 2 x 2 pixels of a linear picture and bring them to 8 bits through a tone curve."""
    top = len(curve) - 1
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for c in range(3):
                total = (
                    picture[2 * y, 2 * x, c]
                    + picture[2 * y, 2 * x + 1, c]
                    + picture[2 * y + 1, 2 * x, c]
                    + picture[2 * y + 1, 2 * x + 1, c]
                )
                out[y, x, c] = curve[min(top, max(0, int(total * np.float32(0.25) * top)))]
