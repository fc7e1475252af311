"""Every way known to us in which somebody in a swapped video may still be recognised."""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from calse.config.params import LandmarkSettings
from calse.faceswap.mask import OVAL, face_width
from calse.faceswap.methods.mesh.model.glasses import BRIDGE, glasses
from calse.faceswap.methods.mesh.model.library import spread
from calse.faceswap.quality.distance import distances
from calse.faceswap.quality.expression import FEATURES, Series
from calse.faceswap.quality.pictures import Pictures
from calse.faceswap.recognised import LEAST, Identity
from calse.landmarks.following import Networks
from calse.landmarks.mesh import square_of_detection
from calse.landmarks.record import Floats, Landmarks

GAP = 1.0  # seconds: over so long a lost face is on the way from where it was to where it is found again
TILES, TILED_EVERY = 3, 5  # parts a side in which small faces are sought, in every so many frames
CUT = 0.03  # share of its width by which a face may reach over the frame's edge
PROFILE, UNLIKE = 40.0, 0.65  # degrees; distance of embeddings
GLASSES = 12  # frames in which glasses are sought
SHOWN = 3  # stretches of time that are named


def lost_faces(track: Landmarks, times: Sequence[float]) -> dict[int, Floats | None]:
    """Return where the face must be in frames without one that lie between two with one.

    That is on the way, for up to GAP; when it was lost for longer, None: it can be anywhere in the picture.
    """
    between: dict[int, Floats | None] = {}
    for last, back in itertools.pairwise(np.flatnonzero(track.has_face).tolist()):
        for number in range(last + 1, back):
            share = np.float32((number - last) / (back - last))
            near = times[back] - times[last + 1] <= GAP
            between[number] = (1 - share) * track.face[last] + share * track.face[back] if near else None
    return between


def exposures(
    swapped: Pictures,
    track: Landmarks,
    lost: Mapping[int, Floats | None],
    after: Floats,
    who: Identity,
    times: Sequence[float],
    networks: Networks,
    settings: LandmarkSettings,
    dropped: Collection[int] = (),
) -> tuple[str, ...]:
    """Name every way in which somebody in a swapped video may be recognised, with the times of the frames.

    `lost` are the faces that were blurred, or whole pictures; `after` are the landmarks found in the swapped video, NaN
    without a face; `dropped` frames are not in what is given away.
    """
    count, measured = len(swapped), len(who.measured)
    treated = track.face.copy()
    for number, landmarks in lost.items():
        if landmarks is not None:
            treated[number] = landmarks
    whole = [number for number, landmarks in lost.items() if landmarks is None]
    around = [number for number in lost if number not in whole]
    bare = [number for number in np.flatnonzero(~track.has_face).tolist() if number not in {*lost, *dropped}]
    unfound = np.flatnonzero(track.has_face & np.isnan(after[:, 0, 0])).tolist()
    others, small = _left_faces(swapped, treated, networks, settings)
    cut = _cut_faces(track, *swapped.shape[1:3])
    dangers = [
        (who.signer, f"{len(who.signer)} OF {measured} MEASURED FRAMES STILL LOOK LIKE THE SIGNER"),
        (unfound, f"NO FACE FOUND AGAIN IN {len(unfound)} SWAPPED FRAMES, NOT MEASURED"),
        (bare, f"NO FACE FOUND IN {len(bare)} OF {count} FRAMES, LEFT AS THEY WERE"),
        (around, f"FACE LOST IN {len(around)} OF {count} FRAMES, BLURRED WHERE IT MUST HAVE BEEN"),
        (whole, f"FACE LOST FOR LONG IN {len(whole)} OF {count} FRAMES, BLURRED AS A WHOLE"),
        (cut, f"FACE CUT BY THE PICTURE'S EDGE IN {len(cut)} OF {count} FRAMES"),
        (others, f"OTHER FACES LEFT AS THEY WERE, SEEN IN {len(others)} FRAMES"),
        (small, f"FACES UNDER {settings.min_width:.0%} OF THE WIDTH LEFT AS THEY WERE, SEEN IN {len(small)} FRAMES"),
    ]
    named = [f"{danger} ({frames_at(numbers, times)})" for numbers, danger in dangers if numbers]
    if measured < min(LEAST, count):
        named.append(f"WHOSE FACE IT IS WAS MEASURED IN {measured} FRAMES ONLY")
    return tuple(named)


def turned_faces(features: Series, times: Sequence[float]) -> tuple[str, ...]:
    """Name when the signer, of FEATURES `T x 10`, is turned so far that a swap can hardly be measured or drawn."""
    yaw = np.nan_to_num(features[:, FEATURES.index("yaw")])
    turned = np.flatnonzero(np.abs(yaw) > PROFILE).tolist()
    if not turned:
        return ()
    what = f"FACE TURNED BY MORE THAN {PROFILE:g} DEGREES IN {len(turned)} FRAMES"
    return (f"{what} ({frames_at(turned, times)})",)


def worn_glasses(original: Pictures, track: Landmarks) -> tuple[str, ...]:
    """Say when the signer seems to wear glasses: what reaches beyond the face stays, and the rest is smeared."""
    faces = np.flatnonzero(track.has_face)
    some = faces[spread(len(faces), GLASSES)].tolist()
    bridge = glasses(original[some], track.face[some])
    return (f"THE SIGNER SEEMS TO WEAR GLASSES, SWAPPED BADLY (CONTRAST {bridge:.2f})",) if bridge > BRIDGE else ()


def near_donor(who: Identity, donor: Floats) -> tuple[str, ...]:
    """Say when signer and donor (embeddings `M x 128`) look so alike that a swap changes little."""
    if not (len(who.before) and len(donor)):
        return ()
    apart = float(np.median(distances(who.before, donor)))
    return (f"THE DONOR LOOKS LIKE THE SIGNER ({apart:.2f} APART, LESS THAN {UNLIKE:g})",) if apart < UNLIKE else ()


def _left_faces(
    swapped: Pictures, treated: Floats, networks: Networks, settings: LandmarkSettings
) -> tuple[list[int], list[int]]:
    """Return the frames that show a face elsewhere than where one was treated: a wide enough one, a smaller one.

    The detector sees faces from about a tenth of the width on; for those down to a thirtieth it also looks at the
    frame's parts, now and then. It takes hands for faces too: the landmarker must see a face there as well.
    """
    others, small = [], []
    for number, frame in enumerate(swapped):
        widths = []
        for left, top, part in _parts(frame, TILES if number % TILED_EVERY == 0 else 1):
            for face in networks.faces(part):
                if _is_at(face.centre + np.array([left, top], np.float32), treated[number]):
                    continue
                if networks.mesh(part, square_of_detection(face))[1] >= settings.min_presence:
                    widths.append(float(face.box[2] - face.box[0]) / frame.shape[1])
        if any(width >= settings.min_width for width in widths):
            others.append(number)
        if any(width < settings.min_width for width in widths):
            small.append(number)
    return others, small


def _parts(frame: Pictures, tiles: int) -> Iterator[tuple[int, int, Pictures]]:
    """Yield the frame and, of more than one tile a side, its overlapping parts, each with its left and top."""
    yield 0, 0, frame
    if tiles > 1:
        height, width = (min(side, round(1.3 * side / tiles)) for side in frame.shape[:2])
        for top in np.linspace(0, frame.shape[0] - height, tiles).astype(int).tolist():
            for left in np.linspace(0, frame.shape[1] - width, tiles).astype(int).tolist():
                yield left, top, frame[top : top + height, left : left + width]


def _is_at(place: Floats, landmarks: Floats) -> bool:
    """Tell whether a place lies on a face or just beside it, where half of one seems to be; on none that is NaN."""
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    beside = (high - low) / 4
    return bool((place >= low - beside).all() and (place <= high + beside).all())


def _cut_faces(track: Landmarks, height: int, width: int) -> list[int]:
    """Return the frames whose edge cuts the face."""
    cut = []
    for number in np.flatnonzero(track.has_face).tolist():
        oval = track.face[number, list(OVAL), :2]
        over = max(-oval.min(), (oval - np.array([width, height])).max())
        if over > CUT * face_width(track.face[number]):
            cut.append(number)
    return cut


def frames_at(numbers: list[int], times: Sequence[float]) -> str:
    """Return when frames are on screen, for a person: `0.40-1.20 s, 3.00 s and 2 more`."""
    stretches: list[list[int]] = []
    for number in numbers:
        if stretches and stretches[-1][1] == number - 1:
            stretches[-1][1] = int(number)
        else:
            stretches.append([int(number), int(number)])
    named = [
        f"{times[first]:.2f} s" if first == last else f"{times[first]:.2f}-{times[last]:.2f} s"
        for first, last in stretches[:SHOWN]
    ]
    more = len(stretches) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
