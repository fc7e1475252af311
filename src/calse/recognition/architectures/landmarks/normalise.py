"""From landmarks in pixels to signing: gaps closed, smoothed, cut to the active part, the leading hand in slot 0."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from calse.landmarks.active import AT_REST, active_part, hands_that_sign
from calse.recognition.architectures.landmarks.signing import FRAMES, WRIST, Floats, Signing, mirrored
from calse.runtime.errors import CalseError

# Points of the body; each pair is (right, left) of the signer, as slots 0 and 1 are before the leading hand is known.
NOSE, SHOULDERS, ELBOWS, WRISTS = 0, (12, 11), (14, 13), (16, 15)
LONGEST_GAP = 0.2  # seconds over which a lost hand is taken to move in a straight line
REST = ((-0.7, AT_REST), (0.7, AT_REST))  # where an absent hand hangs
SMOOTHING, SMOOTHING_OF_ORIGIN = 0.03, 0.3  # seconds, deviation
HEM = 1.6  # below this a hand does not sign
LEFT_LEADS = 1.15  # how much more than the right hand the left one has to do: most signers are right-handed
MARGIN = 0.07  # seconds before and after the active part


class NobodyError(CalseError):
    """A clip shows no person."""


def normalise(body: Floats, hands: Floats, world: Floats, fps: float, turn_left_handed: bool = True) -> Signing:
    """Return the signing of a clip: body `T x 33 x 3` and hands `T x 2 x 21 x 3` in pixels, world `T x 2 x 21 x 3`.

    Hands have a slot for the signer's left and one for the right wrist; NaN is what was not found. Raises NobodyError
    when no frame shows a person, or the person has no width.
    """
    body = closed(body[..., :2], len(body))
    if np.isnan(body).any():
        raise NobodyError("shows no person")
    shoulders = body[:, SHOULDERS]
    unit = float(np.percentile(np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=-1), 75))
    if not unit > 0:
        raise NobodyError("shows no person: the shoulders have no width")
    origin = gaussian_filter1d(shoulders.mean(axis=1), SMOOTHING_OF_ORIGIN * fps, axis=0, mode="nearest")
    right_first, longest_gap = slice(None, None, -1), round(LONGEST_GAP * fps)
    hands = np.stack([closed(hand[..., :2], longest_gap) for hand in hands[:, right_first].swapaxes(0, 1)], axis=1)
    world = np.stack([closed(hand, longest_gap) for hand in world[:, right_first].swapaxes(0, 1)], axis=1)
    present = hands_that_sign((hands[:, :, WRIST, 1] - origin[:, 1:]) / unit, fps)
    signing = _located(body, hands, world, present, origin, unit, fps)
    first, last = active_part(signing.hands[:, :, WRIST, 1].min(axis=1), fps)
    margin = round(MARGIN * fps)
    signing = signing.take(slice(max(0, first - margin), last + margin + 1))
    if turn_left_handed and left_leads(signing, fps):
        signing = mirrored(signing)
    return resampled(signing)


def closed(points: Floats, longest: int) -> Floats:
    """Close gaps of NaN in points `T x ...` by straight lines: those of no more than `longest` frames.

    A gap at either end is closed only when it may be as long as the clip: by the nearest point.
    """
    flat = points.reshape(len(points), -1)
    found = np.flatnonzero(~np.isnan(flat).any(axis=1))
    if len(found) == 0:
        return points
    times = np.arange(len(points))
    after = np.searchsorted(found, times).clip(0, len(found) - 1)
    before = (np.searchsorted(found, times, side="right") - 1).clip(0)
    gap = found[after] - found[before] - 1
    share = ((times - found[before]) / np.maximum(gap + 1, 1)).clip(0, 1)[:, None]
    filled = flat[found[before]] * (1 - share) + flat[found[after]] * share
    inside = (times >= found[0]) & (times <= found[-1])
    lost = (gap > longest) | (~inside & (longest < len(points)))
    return np.where(lost[:, None], np.nan, filled).reshape(points.shape).astype(np.float32)


def _located(
    body: Floats, hands: Floats, world: Floats, present: NDArray[np.bool_], origin: Floats, unit: float, fps: float
) -> Signing:
    """Smooth, and measure from the shoulders in their widths; hands that are not found lie on the body's wrists.

    One that is not present at all hangs at rest.
    """
    found = ~np.isnan(hands[:, :, 0, 0]) & present
    hands = np.where(found[..., None, None], hands, body[:, WRISTS, None])
    world = np.where(found[..., None, None], world - world[..., :1, :], 0)

    def from_shoulders(points: Floats) -> Floats:
        """Smooth points, and measure them from the shoulders."""
        smooth = gaussian_filter1d(points, SMOOTHING * fps, axis=0, mode="nearest")
        return np.asarray((smooth - origin.reshape(-1, *[1] * (points.ndim - 2), 2)) / unit, np.float32)

    rest = np.array(REST, np.float32)[None, :, None, :]
    return Signing(
        np.where(present[:, None, None], from_shoulders(hands), rest),
        gaussian_filter1d(world, SMOOTHING * fps, axis=0, mode="nearest"),
        found.astype(np.float32),
        from_shoulders(body[:, NOSE]),
        from_shoulders(body[:, ELBOWS]),
    )


def without_second_hand(signing: Signing) -> Signing:
    """Return the signing with the second hand absent."""
    hands, world, mask = signing.hands.copy(), signing.world.copy(), signing.mask.copy()
    hands[:, 1], world[:, 1], mask[:, 1] = REST[1], 0, 0
    return Signing(hands, world, mask, signing.nose, signing.elbows)


def left_leads(signing: Signing, fps: float) -> bool:
    """Tell whether slot 1, the left hand, does the signing: it moves more, and higher."""
    wrists = signing.hands[:, :, WRIST]
    height = np.clip(HEM - wrists[..., 1], 0, None)
    path = np.linalg.norm(np.diff(wrists, axis=0), axis=-1)
    right, left = (path * height[1:]).sum(axis=0) + 0.3 * height.mean(axis=0) * len(wrists) / fps
    return bool(left > LEFT_LEADS * right)


def resampled(signing: Signing) -> Signing:
    """Return FRAMES frames spread evenly from the first to the last, between two frames by a straight line."""
    last = len(signing.mask) - 1
    places = np.linspace(0, last, FRAMES)
    before = np.floor(places).astype(int)
    after = np.minimum(before + 1, last)
    share = (places - before).astype(np.float32)

    def at_places(values: Floats) -> Floats:
        """Read values at the chosen moments, linearly between frames."""
        weight = share.reshape(-1, *[1] * (values.ndim - 1))
        return np.asarray(values[before] * (1 - weight) + values[after] * weight, np.float32)

    parts = [at_places(part) for part in (signing.hands, signing.world, signing.nose, signing.elbows)]
    mask = (at_places(signing.mask) >= 0.5).astype(np.float32)
    return Signing(parts[0], parts[1], mask, parts[2], parts[3])
