"""From landmarks in pixels to signing: gaps closed, smoothed, cut to the active part, the leading hand in slot 0."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from calse.recognition.architectures.landmarks.signing import FRAMES, WRIST, Floats, Signing, mirrored
from calse.runtime.errors import CalseError

# Points of the body; each pair is (right, left) of the signer, as slots 0 and 1 are before the leading hand is known.
NOSE, SHOULDERS, ELBOWS, WRISTS = 0, (12, 11), (14, 13), (16, 15)
LONGEST_GAP = 0.2  # seconds over which a lost hand is taken to move in a straight line
LEAST_SEEN = 0.12  # share of a clip's frames; with less a hand is absent: the body model invents wrists out of view
REST = ((-0.7, 2.2), (0.7, 2.2))  # where an absent hand hangs
SMOOTHING, SMOOTHING_OF_ORIGIN = 0.03, 0.3  # seconds, deviation
HEM = 1.6  # below this a hand does not sign
LEFT_LEADS = 1.15  # how much more than the right hand the left one has to do: most signers are right-handed
LEAST_DROP = 0.5  # between signing and rest, else the whole clip is active
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
    right_first = slice(None, None, -1)
    signing = _located(body, *_hands(body, hands[:, right_first, :, :2], world[:, right_first], fps), fps)
    if turn_left_handed and left_leads(signing, fps):
        signing = mirrored(signing)
    return resampled(signing, *active_part(signing, fps))


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


def _hands(body: Floats, hands: Floats, world: Floats, fps: float) -> tuple[Floats, Floats, Floats]:
    """Close short gaps and put hands that are not found on their wrists; return hands, world and mask.

    A hand found in hardly any frame stays NaN: it has no place in the picture.
    """
    longest = round(LONGEST_GAP * fps)
    hands, world = hands.copy(), world - world[..., :1, :]
    mask = np.zeros(hands.shape[:2], np.float32)
    for slot, wrist in enumerate(WRISTS):
        if (~np.isnan(hands[:, slot, 0, 0])).mean() < LEAST_SEEN:
            hands[:, slot] = np.nan
        else:
            hands[:, slot], world[:, slot] = closed(hands[:, slot], longest), closed(world[:, slot], longest)
            mask[:, slot] = ~np.isnan(hands[:, slot, 0, 0])
            hands[:, slot] = np.where(np.isnan(hands[:, slot]), body[:, None, wrist], hands[:, slot])
    return hands, np.where(mask[..., None, None] > 0, world, 0), mask


def _located(body: Floats, hands: Floats, world: Floats, mask: Floats, fps: float) -> Signing:
    """Smooth, and measure from the shoulders in their widths."""
    shoulders = body[:, SHOULDERS]
    unit = float(np.percentile(np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=-1), 75))
    if not unit > 0:
        raise NobodyError("shows no person: the shoulders have no width")
    origin = gaussian_filter1d(shoulders.mean(axis=1), SMOOTHING_OF_ORIGIN * fps, axis=0, mode="nearest")

    def from_shoulders(points: Floats) -> Floats:
        """Smooth points, and measure them from the shoulders."""
        smooth = gaussian_filter1d(points, SMOOTHING * fps, axis=0, mode="nearest")
        return np.asarray((smooth - origin.reshape(-1, *[1] * (points.ndim - 2), 2)) / unit, np.float32)

    placed = from_shoulders(hands)
    rest = np.array(REST, np.float32)[None, :, None, :]
    return Signing(
        np.where(np.isnan(placed), rest, placed),
        gaussian_filter1d(world, SMOOTHING * fps, axis=0, mode="nearest"),
        mask,
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


def active_part(signing: Signing, fps: float) -> tuple[int, int]:
    """Return the first and the last frame in which a hand is nearer to where it signs than to where it rests."""
    higher = signing.hands[:, :, WRIST, 1].min(axis=1)
    last = len(higher) - 1
    top, rest = np.percentile(higher, (10, 98))
    if rest - top < LEAST_DROP:
        return 0, last
    high = np.flatnonzero(higher < top + 0.5 * (rest - top))
    margin = round(MARGIN * fps)
    return max(0, int(high[0]) - margin), min(last, int(high[-1]) + margin)


def resampled(signing: Signing, first: int, last: int) -> Signing:
    """Return FRAMES frames spread evenly from the first to the last, between two frames by a straight line."""
    places = np.linspace(first, last, FRAMES)
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
