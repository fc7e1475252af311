"""The baked human: one mesh that every synthetic signer shares, and the bodies that bend it (tools/assets/bake.py)."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

SKIN, EYE_LEFT, EYE_RIGHT, TONGUE = range(4)  # values of Human.parts
EYES = np.array([0.0, -0.1414, 0.9884])  # where every body has its eyes: x to its left, y to its back, z up, metres


@dataclass(frozen=True)
class Human:
    """Mesh, skeleton and facial units, in metres.

    `faces`, `face_uv`: F x 3 corners; `uv`: T x 2 in 0..1, y up; `weights`, `weight_bones`: V x 4;
    `parents`: bone indices, parents first; `canonical`: V x 3, the rest position that paint is a function
    of; `parts`: V; `units`: facial unit (ARKit names) -> N x 3 displacement of `unit_vertices`;
    `masks`: painted regions, S x S in 0..1.
    """

    faces: np.ndarray
    face_uv: np.ndarray
    uv: np.ndarray
    weights: np.ndarray
    weight_bones: np.ndarray
    bones: dict[str, int]
    parents: np.ndarray
    canonical: np.ndarray
    parts: np.ndarray
    unit_vertices: np.ndarray
    units: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    bodies: dict[str, tuple[np.ndarray, np.ndarray]]


@lru_cache(maxsize=1)
def human() -> Human:
    """Read the baked human once."""
    with files(__package__).joinpath("human.npz").open("rb") as file, np.load(file) as stored:
        raw = dict(stored)
    step = float(raw["step"])
    canonical, heads = raw["canonical"].astype(float), raw["canonical_heads"].astype(float)
    weights = raw["weights"].astype(np.float32)
    names = [name.removeprefix("body_") for name in raw if name.startswith("body_")]
    return Human(
        faces=raw["faces"].astype(np.int32),
        face_uv=raw["face_uv"].astype(np.int32),
        uv=raw["uv"],
        weights=weights / weights.sum(1, keepdims=True),
        weight_bones=raw["weight_bones"].astype(np.int32),
        bones={str(bone): index for index, bone in enumerate(raw["bones"])},
        parents=raw["parents"].astype(np.int32),
        canonical=canonical,
        parts=raw["parts"],
        unit_vertices=raw["unit_vertices"].astype(np.int32),
        units=dict(zip(raw["unit_names"].tolist(), raw["units"] * step, strict=True)),
        masks={name.removeprefix("mask_"): raw[name] / 255 for name in raw if name.startswith("mask_")},
        bodies={name: (canonical + raw[f"body_{name}"] * step, heads + raw[f"heads_{name}"] * step) for name in names},
    )
