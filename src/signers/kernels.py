"""The inner loops of the renderer, compiled: bones, skinning, normals, z-buffer, shading. Plain arrays, float32."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

# Numba takes a bare number for 64 bits wide, and all that it meets.
ZERO, ONE, TINY = np.float32(0), np.float32(1), np.float32(1e-12)
SLACK = np.float32(1e-4)  # pixels; neighbouring triangles leave no gap
WRAP = np.float32(0.25)  # how far beyond the edge of its shadow a light reaches

# Fast where the processor does not matter. `arcp` and `afn` would take reciprocals and roots from approximations that
# each kind of processor rounds in its own way, `reassoc` sums in an order that depends on its width: pixels differed
# between Intel and an emulated Haswell, and all of fastmath took 1.06 of the time.
FASTMATH = {"nnan", "ninf", "nsz", "contract"}

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """Compile a function of arrays at its first call; later processes find it in the cache."""
    kernel: Kernel = numba.njit(cache=True, fastmath=FASTMATH, error_model="numpy")(function)
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
def narrowed(first: float, last: float, weight: float, step: float) -> Any:
    """Cut a stretch of a row to where a weight, growing by `step` from pixel to pixel, is not negative."""
    if step > 0:
        return max(first, -weight / step), last
    if step < 0:
        return first, min(last, -weight / step)
    return first, (last if weight >= 0 else first - ONE)


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
        area = bx * cy - cx * by
        if abs(area) < np.float32(1e-9) or (area > 0 and f < both_sided):
            continue
        bz, cz, inverse = points[b, 2] - az, points[c, 2] - az, ONE / area
        left, right = max(-ax, min(ZERO, bx, cx)), min(np.float32(width - 1) - ax, max(ZERO, bx, cx))
        top, bottom = max(0, math.ceil(ay + min(ZERO, by, cy))), min(height - 1, math.floor(ay + max(ZERO, by, cy)))
        # The weights of b and c grow by these from pixel to pixel; x and y count from a.
        step1, step2 = cy * inverse, -by * inverse
        for row in range(top, bottom + 1):
            y = np.float32(row) - ay
            w1, w2 = -cx * y * inverse, bx * y * inverse
            first, last = narrowed(left, right, w1, step1)
            first, last = narrowed(first, last, w2, step2)
            first, last = narrowed(first, last, ONE - w1 - w2, -step1 - step2)
            for column in range(math.ceil(first + ax - SLACK), math.floor(last + ax + SLACK) + 1):
                x = np.float32(column) - ax
                z = az + (w1 + x * step1) * bz + (w2 + x * step2) * cz
                if z < depth[row, column]:
                    depth[row, column] = z
                    triangle[row, column] = f


@compiled
def light_vertices(space: Any, normals: Any, shine: Any, both_sided: int, ambient: Any, lights: Any, out: Any) -> None:
    """Write the light that reaches each vertex, V x 4: red, green, blue (ambient and wrapped diffuse), highlight.

    `normals` may have any length, those from `both_sided` on look to either side. `lights`: L x 2 x 3, direction
    of length 1 and colour; the first one makes the highlights, by `shine` (V x 2: strength, exponent).
    """
    for v in range(len(space)):
        x, y, z = -space[v, 0], -space[v, 1], -space[v, 2]
        nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
        away, length = ONE / math.sqrt(x * x + y * y + z * z), ONE / math.sqrt(nx * nx + ny * ny + nz * nz + TINY)
        if v >= both_sided and x * nx + y * ny + z * nz < 0:
            length = -length
        nx, ny, nz = nx * length, ny * length, nz * length
        for i in range(3):
            out[v, i] = ambient[i] * (np.float32(0.75) + np.float32(0.25) * nz)
        for k in range(len(lights)):
            facing = lights[k, 0, 0] * nx + lights[k, 0, 1] * ny + lights[k, 0, 2] * nz
            reached = max(ZERO, (facing + WRAP) / (ONE + WRAP))
            for i in range(3):
                out[v, i] += lights[k, 1, i] * reached
        hx, hy, hz = x * away + lights[0, 0, 0], y * away + lights[0, 0, 1], z * away + lights[0, 0, 2]
        mirrored = (hx * nx + hy * ny + hz * nz) / math.sqrt(hx * hx + hy * hy + hz * hz + TINY)
        out[v, 3] = shine[v, 0] * lights[0, 1, 1] * mirrored ** shine[v, 1] if mirrored > 0 else ZERO


@compiled
def slopes(values: Any, corners: Any, channel: int) -> Any:
    """Return a channel's value at the first of three corners, and how it differs at the second and the third."""
    a, b, c = corners
    return values[a, channel], values[b, channel] - values[a, channel], values[c, channel] - values[a, channel]


@compiled
def inside(slope: Any, w1: float, w2: float) -> Any:
    """Return a channel's value where the second and the third corner weigh w1 and w2."""
    return slope[0] + w1 * slope[1] + w2 * slope[2]


@compiled
def shade(
    frame: Any,
    wall: Any,
    shadow: Any,
    hollow: Any,
    triangle: Any,
    points: Any,
    faces: Any,
    light: Any,
    face_uv: Any,
    uv: Any,
    texture: Any,
    curve: Any,
) -> None:
    """Colour every pixel of `frame`: the mean of its 2 x 2 samples in linear RGB, through a tone curve to 8 bits.

    A sample of `triangle` is texture x light + highlight, or the wall as far as no `shadow` lies on it. `light`: V x 4,
    red, green, blue and highlight that reach a vertex; `hollow`: metres that a pixel lies behind its neighbourhood;
    `points`: V x 3 in samples; `uv`: T x 2 texture pixels.
    """
    top = np.float32(len(curve) - 1)
    scale = top / np.float32(4)
    known = -1  # neighbouring samples mostly lie in one triangle: what is true of it is worked out once
    for row in range(frame.shape[0]):
        for column in range(frame.shape[1]):
            bare = ONE - shadow[row, column]
            reached = max(np.float32(0.45), ONE - np.float32(7) * hollow[row, column])
            red, green, blue = ZERO, ZERO, ZERO
            for sample in range(4):
                i, j = 2 * row + sample % 2, 2 * column + sample // 2
                f = triangle[i, j]
                if f < 0:
                    red += bare * wall[row, column, 0]
                    green += bare * wall[row, column, 1]
                    blue += bare * wall[row, column, 2]
                    continue
                if f != known:
                    known = f
                    corners = a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                    places = face_uv[f, 0], face_uv[f, 1], face_uv[f, 2]
                    ax, ay = points[a, 0], points[a, 1]
                    bx, by, cx, cy = points[b, 0] - ax, points[b, 1] - ay, points[c, 0] - ax, points[c, 1] - ay
                    inverse = ONE / (bx * cy - cx * by)
                    across, down = slopes(uv, places, 0), slopes(uv, places, 1)
                    reds, greens = slopes(light, corners, 0), slopes(light, corners, 1)
                    blues, glints = slopes(light, corners, 2), slopes(light, corners, 3)
                x, y = np.float32(j) - ax, np.float32(i) - ay
                w1, w2 = (x * cy - cx * y) * inverse, (bx * y - x * by) * inverse
                u = min(max(0, int(inside(across, w1, w2))), texture.shape[1] - 1)
                v = min(max(0, int(inside(down, w1, w2))), texture.shape[0] - 1)
                glint = inside(glints, w1, w2)
                red += texture[v, u, 0] * inside(reds, w1, w2) * reached + glint
                green += texture[v, u, 1] * inside(greens, w1, w2) * reached + glint
                blue += texture[v, u, 2] * inside(blues, w1, w2) * reached + glint
            frame[row, column, 0] = curve[int(min(top, max(ZERO, red * scale)))]
            frame[row, column, 1] = curve[int(min(top, max(ZERO, green * scale)))]
            frame[row, column, 2] = curve[int(min(top, max(ZERO, blue * scale)))]
