"""Who a swapped face looks like: distances between identity embeddings of sampled frames."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calse.data.paths import Layout
from calse.faceswap.quality.identity import SAME_PERSON, embed
from calse.faceswap.quality.pictures import Pictures
from calse.landmarks.record import Floats

DIGITS = 4  # of every figure written


def quotas(names: list[str], total: int, seed: int) -> list[int]:
    """Share a number of frames out over clips: equally, the rest by a seeded draw that depends on each name alone."""
    draws = [np.random.default_rng([seed, *name.encode()]).random() for name in names]
    rank = np.argsort(np.argsort(draws))
    return [total // len(names) + int(place < total % len(names)) for place in rank]


def sample(usable: NDArray[np.bool_], count: int, name: str, seed: int) -> list[int]:
    """Draw up to so many of a clip's usable frames, in order."""
    numbers = np.flatnonzero(usable)
    rng = np.random.default_rng([seed, *name.encode()])
    return sorted(rng.choice(numbers, min(count, len(numbers)), replace=False).tolist())


def embed_frames(layout: Layout, frames: Pictures, landmarks: Floats, numbers: list[int]) -> Floats:
    """Return the embeddings `N x 128` of the chosen frames."""
    return np.array([embed(layout, frames[k], landmarks[k]) for k in numbers], np.float32).reshape(-1, 128)


def distances(faces: Floats, person: Floats) -> Floats:
    """Return each face's distance to a person, `N`: the median over that person's faces (embeddings `N, M x 128`)."""
    apart = np.linalg.norm(faces[:, None] - person[None], axis=2)
    return np.asarray(np.median(apart, axis=1), np.float32)


def identity_moved(signers: list[str], before: Floats, after: Floats, donor: Floats) -> dict[str, Any]:
    """Summarise the identity of the same N frames before and after the swap.

    `signers` names who signs in each frame, `before` and `after` are `N x 128`, `donor` `M x 128`. `moved` is the share
    of frames nearer to the donor than to the signer; the rates count distances against SAME_PERSON.
    """
    people = {name: before[[other == name for other in signers]] for name in set(signers)}
    galleries = [people[name] for name in signers]

    def to_signer(faces: Floats) -> Floats:
        return np.array([distances(face[None], own)[0] for face, own in zip(faces, galleries, strict=True)])

    signer, to_donor = to_signer(after), distances(after, donor)
    return {
        "frames": len(signers),
        "moved": share(to_donor < signer),
        "not_the_signer": share(signer > SAME_PERSON),
        "the_donor": share(to_donor < SAME_PERSON),
        "to_signer": quartiles(signer),
        "to_donor": quartiles(to_donor),
        "original": {"to_signer": quartiles(to_signer(before)), "to_donor": quartiles(distances(before, donor))},
    }


def share(flags: NDArray[np.bool_]) -> float:
    """Return the share of true ones."""
    return round(float(np.mean(flags)), DIGITS)


def quartiles(values: Any) -> dict[str, float]:
    """Return the quartiles of some figures."""
    low, middle, high = np.percentile(values, [25, 50, 75]).tolist()
    return {"q25": round(low, DIGITS), "median": round(middle, DIGITS), "q75": round(high, DIGITS)}
