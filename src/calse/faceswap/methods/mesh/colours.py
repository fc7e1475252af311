"""The donor's skin in the signer's light."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.faceswap.methods.mesh.compositing import apply_mask, recolour

Floats = NDArray[np.float32]
GAIN = (0.6, 1.0)  # of the spread: above 1 a donor's shine and hair turn into paint
REACH, COARSE = 0.25, 4  # of the light's Gaussian, in face widths; drawn so many pixels wide in a small picture
LIGHT = (0.4, 2.5)


@dataclass(frozen=True)
class Match:
    """A change of colours in L*a*b*: gain and offset a channel."""

    gain: Floats
    offset: Floats

    def __call__(self, drawn: Floats) -> Floats:
        """Return RGB in 0..1, `H x W x 3`, in the other colours."""
        lab = cv2.cvtColor(drawn, cv2.COLOR_RGB2LAB)
        recolour(lab, self.gain, self.offset)
        changed = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB, dst=lab)
        return np.asarray(np.clip(changed, 0, 1, out=changed), np.float32)


def match(drawn: list[Floats], wanted: list[Floats]) -> Match:
    """Return what gives drawn skin the mean, and towards it the spread, of the wanted (Reinhard et al., 2001).

    Both are lists of RGB pixels in 0..1, `M x 3`, of several frames: one change for a clip does not flicker.
    """
    if sum(map(len, drawn)) < 8:
        return Match(np.ones(3, np.float32), np.zeros(3, np.float32))
    (mean, spread), (aim, width) = (_statistics(np.concatenate(part)) for part in (drawn, wanted))
    gain = np.clip(width / np.maximum(spread, 1e-3), *GAIN)
    return Match(gain.astype(np.float32), (aim - gain * mean).astype(np.float32))


def _statistics(pixels: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of RGB pixels `M x 3` in L*a*b*, 3 each."""
    lab = cv2.cvtColor(pixels[None], cv2.COLOR_RGB2LAB)[0].astype(np.float64)
    return lab.mean(axis=0), lab.std(axis=0)


def _covered(picture: Floats, mask: Floats) -> Floats:
    """Return a picture dimmed by a mask."""
    out = np.empty_like(picture)
    apply_mask(picture, mask, out)
    return out


def light(drawn: Floats, frame: Floats, mask: Floats, face_width: float) -> Floats:
    """Return what puts a drawn face in the light of the frame, factors as large as both, `H x W x 3` in 0..1.

    The pixels of `mask` tell it.
    """
    scale = min(1.0, COARSE / (REACH * face_width))
    size = max(2, round(mask.shape[1] * scale)), max(2, round(mask.shape[0] * scale))

    def blurred(part: Floats) -> Floats:
        """Draw a part small and blur it."""
        small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), COARSE, borderType=cv2.BORDER_CONSTANT), np.float32)

    wanted, there, known = (blurred(part) for part in (_covered(frame, mask), _covered(drawn, mask), mask))
    sure = np.clip(known / 0.02, 0, 1)[..., None]
    ratio = np.clip((wanted + 1e-4) / (there + 1e-4), *LIGHT)
    factors = (1 + sure * (ratio - 1)).astype(np.float32)
    return np.asarray(cv2.resize(factors, mask.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
