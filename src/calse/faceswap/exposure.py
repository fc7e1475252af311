"""Every way known to us in which somebody in a swapped video may still be recognised."""

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from calse.config.params import LandmarkSettings
from calse.faceswap.mask import OVAL, face_width
from calse.faceswap.methods.mesh.model.glasses import BRIDGE, glasses
from calse.faceswap.methods.mesh.model.library import spread
from calse.faceswap.quality.distance import distances
from calse.faceswap.quality.expression import FEATURES, Series
from calse.faceswap.quality.pictures import Pictures
from calse.faceswap.recognised import LEAST, Identity
from calse.landmarks.crops import Frame, part_of
from calse.landmarks.following import Networks
from calse.landmarks.mesh import square_of_detection
from calse.landmarks.record import Floats, Landmarks

GAP = 1.0  # seconds: over so long a lost face is on the way from where it was to where it is found again
LOOKED = 0.1  # seconds between two looks for faces
TILES, TILED = 3, 0.4  # for small ones: parts along the longer side, seconds
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
    looks: "LeftFaces",
    track: Landmarks,
    lost: Mapping[int, Floats | None],
    after: Floats,
    who: Identity,
    times: Sequence[float],
    dropped: Collection[int] = (),
) -> tuple[str, ...]:
    """Name every way in which somebody in a swapped video may be recognised, with the times of the frames.

    `looks` has looked at its frames; `lost` are faces that were blurred, or whole pictures; `after` are the landmarks
    found in the swapped video, NaN without a face; `dropped` frames are not in what is given away.
    """
    count, measured = len(track.face), len(who.measured)
    whole = [number for number, landmarks in lost.items() if landmarks is None]
    around = [number for number in lost if number not in whole]
    bare = [number for number in np.flatnonzero(~track.has_face).tolist() if number not in {*lost, *dropped}]
    unfound = np.flatnonzero(track.has_face & np.isnan(after[:, 0, 0])).tolist()
    others, small = looks.found()
    cut = _cut_faces(track, *looks.size)
    alike = len(set(who.signer) & set(who.measured))
    dangers = [
        (who.signer, f"{alike} OF {measured} MEASURED FRAMES STILL LOOK LIKE THE SIGNER"),
        (unfound, f"NO FACE FOUND AGAIN IN {len(unfound)} OF {count} FRAMES, NOT MEASURED"),
        (bare, f"NO FACE FOUND IN {len(bare)} OF {count} FRAMES, LEFT AS THEY WERE"),
        (around, f"FACE LOST IN {len(around)} OF {count} FRAMES, BLURRED WHERE IT MUST HAVE BEEN"),
        (whole, f"FACE LOST FOR LONG IN {len(whole)} OF {count} FRAMES, BLURRED AS A WHOLE"),
        (cut, f"FACE CUT BY THE PICTURE'S EDGE IN {len(cut)} OF {count} FRAMES"),
        (others, f"OTHER FACES LEFT AS THEY WERE, SEEN IN {len(others)} OF {count} FRAMES"),
        (
            small,
            f"FACES UNDER {looks.least:.0%} OF THE WIDTH LEFT AS THEY WERE, SEEN IN {len(small)} OF {count} FRAMES",
        ),
    ]
    named = [f"{danger} ({frames_at(numbers, times)})" for numbers, danger in dangers if numbers]
    if measured < min(LEAST, count):
        named.append(f"WHOSE FACE IT IS WAS MEASURED IN {measured} OF {count} FRAMES ONLY")
    return tuple(named)


def turned_faces(features: Series, times: Sequence[float]) -> tuple[str, ...]:
    """Name when the signer, of FEATURES `T x 10`, is turned so far that a swap can hardly be measured or drawn."""
    yaw = np.nan_to_num(features[:, FEATURES.index("yaw")])
    turned = np.flatnonzero(np.abs(yaw) > PROFILE).tolist()
    if not turned:
        return ()
    what = f"FACE TURNED BY MORE THAN {PROFILE:g} DEGREES IN {len(turned)} OF {len(features)} FRAMES"
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


class LeftFaces:
    """Looks for faces elsewhere than where one was swapped or, of those that were `lost`, blurred.

    The detector sees faces from about a tenth of the width on; for those down to a thirtieth it also looks at the
    frame's parts. It takes hands for faces too: the landmarker must see a face there as well. Looks are LOOKED apart,
    those at parts TILED; where one shows a face, the frames before and after it are looked at until one shows none.
    """

    def __init__(
        self,
        track: Landmarks,
        lost: Mapping[int, Floats | None],
        times: Sequence[float],
        networks: Networks,
        settings: LandmarkSettings,
    ) -> None:
        self._treated, self._times, self._networks = track.face.copy(), times, networks
        self.least, self._presence = settings.min_width, settings.min_presence
        for number, landmarks in lost.items():
            if landmarks is not None:
                self._treated[number] = landmarks
        self._widths: dict[int, list[float]] = {}  # of the faces in each frame that was looked at
        self._waiting: list[tuple[int, Frame]] = []
        self._looked = self._tiled = -math.inf  # seconds
        self._number = 0
        self.size = 0, 0

    def look_at(self, frames: Iterable[Frame | None]) -> "LeftFaces":
        """Look at all frames, RGB or planes; None is one that nobody will see."""
        for frame in frames:
            self._take(frame)
        return self

    def _take(self, frame: Frame | None) -> None:
        """Look at the next frame, or let it wait."""
        number, self._number = self._number, self._number + 1
        if frame is None:
            return
        self.size = frame.shape[0], frame.shape[1]
        self._waiting.append((number, frame))
        last = max(self._widths, default=None)
        if self._times[number] - self._looked >= LOOKED - 1e-6 or (last is not None and self._widths[last]):
            self._look_back()

    def found(self) -> tuple[list[int], list[int]]:
        """Return the frames that show a wide enough face, and those that show a smaller one."""
        if self._waiting:
            self._look_back()
        wide = {number: max(widths, default=0.0) for number, widths in self._widths.items()}
        narrow = {number: min(widths, default=1.0) for number, widths in self._widths.items()}
        return sorted(n for n in wide if wide[n] >= self.least), sorted(n for n in narrow if narrow[n] < self.least)

    def _look_back(self) -> None:
        """Look at the newest frame that waits, and as long as there are faces at those before it."""
        is_small = self._is_small(max(self._widths, default=-1))
        self._looked = self._times[self._waiting[-1][0]]
        while self._waiting:
            number, frame = self._waiting.pop()
            widths = self._widths[number] = self._left(number, frame, 1)
            if is_small or self._times[number] - self._tiled >= TILED - 1e-6:
                widths += self._left(number, frame, TILES)
                self._tiled = max(self._tiled, self._times[number])
                is_small = self._is_small(number)
            if not widths:
                self._waiting.clear()

    def _is_small(self, number: int) -> bool:
        return any(width < self.least for width in self._widths.get(number, []))

    def _left(self, number: int, frame: Frame, parts: int) -> list[float]:
        """Return the widths of the left faces that so many parts along a frame show, in shares of its own."""
        found = []
        for left, top, part in _parts(frame, parts):
            for face in self._networks.faces(part):
                if _is_at(face.centre + np.array([left, top], np.float32), self._treated[number]):
                    continue
                if self._networks.mesh(part, square_of_detection(face))[1] >= self._presence:
                    found.append(float(face.box[2] - face.box[0]) / frame.shape[1])
        return found


def _parts(frame: Frame, tiles: int) -> Iterator[tuple[int, int, Frame]]:
    """Yield overlapping squares of a frame, so many along its longer side, each with its left and top.

    The detector looks at squares: along the shorter side fewer are as large in it.
    """
    longest = max(frame.shape[:2])
    side = min(longest, round(1.3 * longest / tiles))
    step = max(1.0, (longest - side) / max(1, tiles - 1))
    free = [max(0, length - side) for length in frame.shape[:2]]
    tops, lefts = (np.linspace(0, most, 1 + math.ceil(most / step)).astype(int).tolist() for most in free)
    for top, left in itertools.product(tops, lefts):
        yield left, top, part_of(frame, slice(top, top + side), slice(left, left + side))


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
