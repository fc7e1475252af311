"""What a perfect swap shows, which synthetic corpora alone can tell: the donor's own figure in the signer's place."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calse.config.params import LandmarkSettings, Params
from calse.data.clips import Clip
from calse.data.paths import Layout
from calse.faceswap.quality.compare import follow
from calse.faceswap.quality.distance import DIGITS
from calse.faceswap.quality.expression import FEATURES, Series, correlation, features, moves
from calse.faceswap.quality.identity import embed
from calse.faceswap.quality.pictures import Pictures, detail, flicker, grey_faces, ssim
from calse.landmarks.following import Networks
from calse.landmarks.record import Floats, Landmarks, no_landmarks
from calse.runtime.files import temporary_folder
from calse.runtime.repository import scratch
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames

if TYPE_CHECKING:
    from signers.gloss import Gloss
    from signers.scene import Studio

CLIPS = 6  # of a set that are filmed again


@dataclass(frozen=True)
class Shot:
    """How a synthetic clip was filmed, with the donor in the signer's place."""

    studio: "Studio"
    gloss: "Gloss"
    short_side: int
    clip: str
    seed: int


def shot_of(params: Params, parent: Clip, donor: str) -> Shot | None:
    """Return how to film a clip again with the donor's figure; nothing when corpus or donor are not synthetic."""
    settings = params.synthesise.get(params.corpus.name)
    if settings is None:
        return None
    from signers.glosses import glosses
    from signers.signers import SIGNERS, SOURCES

    studios = SOURCES.get(parent.source, ())
    gloss = next((gloss for gloss in glosses(settings.glosses) if gloss.name == parent.gloss), None)
    if donor not in SIGNERS or gloss is None or not 0 < parent.take <= len(studios):
        return None
    studio = replace(studios[parent.take - 1], signer=SIGNERS[donor])
    return Shot(studio, gloss, settings.short_side, parent.clip, settings.seed)


@dataclass(frozen=True)
class Oracle:
    """A clip's swap and its original beside the oracle.

    SSIM and embedding distance of both to it; its own flicker and detail relative to the original's; and how both
    clips' lips and brows follow the weights that moved them, r, nothing where those stand still.
    """

    ssim: tuple[float, float]
    distance: tuple[float, float]
    flicker: float
    detail: float
    lips: tuple[float, float] | None
    brows: tuple[float, float] | None


def beside_oracle(
    shot: Shot,
    layout: Layout,
    pictures: tuple[Pictures, Pictures],
    faces: tuple[Landmarks, Floats],
    networks: Networks,
    settings: LandmarkSettings,
) -> Oracle | None:
    """Film the oracle of a clip and compare; nothing when no frame has a face in all three.

    `pictures` are swapped and original frames `T x H x W x 3`, `faces` the original's landmarks and those found in
    the swapped frames, `T x 468 x 3`.
    """
    (swapped, original), (track, after) = pictures, faces
    filmed, mouth, brows = _film(shot, len(original))
    found = _faces_alone(follow(filmed, networks, settings))
    both = found.has_face & track.has_face & ~np.isnan(after[:, 0, 0])
    if not both.any():
        return None
    # Each by its own points, as people's differ, and hands count as face: those of the oracle are not sought.
    true, drawn, own = (
        _dense(grey_faces(clip, marks), marks.has_face)
        for clip, marks in ((filmed, found), (swapped, _faces_alone(after)), (original, _faces_alone(track.face)))
    )
    alike = grey_faces(filmed, track), grey_faces(original, track)  # as a swap's own flicker and detail are measured
    middle = int(np.flatnonzero(both)[both.sum() // 2])
    face = embed(layout, filmed[middle], found.face[middle])
    ends = embed(layout, swapped[middle], after[middle]), embed(layout, original[middle], track.face[middle])
    measured = features(after), features(track.face)
    lips = [FEATURES.index("lip_opening")]
    raised = [FEATURES.index("right_brow"), FEATURES.index("left_brow")]
    return Oracle(
        ssim=_pair(*(np.mean([ssim(one[k], true[k]) for k in np.flatnonzero(both)]) for one in (drawn, own))),
        distance=_pair(*(np.linalg.norm(end - face) for end in ends)),
        flicker=flicker(alike[0]) / max(flicker(alike[1]), 1e-6),
        detail=detail(alike[0]) / max(detail(alike[1]), 1e-6),
        lips=_followed(mouth, measured, lips, both),
        brows=_followed(brows, measured, raised, both),
    )


def _pair(one: Any, other: Any) -> tuple[float, float]:
    return float(one), float(other)


def _film(shot: Shot, count: int) -> tuple[Pictures, Series, Series]:
    """Return `count` frames and, in each, how far the jaw is open and how far the brows are raised."""
    from signers.face import BROW_UNITS, MOUTH_UNITS
    from signers.film import film
    from signers.take import rng_of

    shown = list(film(shot.studio, shot.gloss, shot.short_side, rng_of(shot.clip, shot.seed)))
    # The study's rate may be another than the studio's: the frame on screen at each time.
    numbers = (np.arange(count) * len(shown) // count).tolist()
    jaw, up, down = MOUTH_UNITS.index("jawOpen"), BROW_UNITS.index("browInnerUp"), BROW_UNITS.index("browDownLeft")
    labels = [shown[k][1] for k in numbers]
    with temporary_folder(scratch() / "oracle") as folder:  # a codec adds some flicker and takes some detail
        write_video(folder / "oracle.mp4", [shown[k][0] for k in numbers], shot.studio.fps)
        frames = read_frames(folder / "oracle.mp4")
    return (
        frames,
        np.array([label.mouth[jaw] for label in labels], np.float64),
        np.array([label.brows[up] - label.brows[down] for label in labels], np.float64),
    )


def _faces_alone(face: Floats) -> Landmarks:
    return replace(no_landmarks(len(face)), face=face)


def _dense(faces: NDArray[np.float64], has_face: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return aligned faces by the number of their frame, NaN without one."""
    dense = np.full((len(has_face), *faces.shape[1:]), np.nan)
    dense[has_face] = faces
    return dense


def _followed(
    truth: Series, measured: tuple[Series, Series], columns: list[int], both: NDArray[np.bool_]
) -> tuple[float, float] | None:
    """Return how the features of both clips follow the truth, r; nothing where it stands still."""
    if not moves(truth[both]):
        return None
    return _pair(*(correlation(truth[both], one[both][:, columns].mean(axis=1)) for one in measured))


def summarise_oracles(oracles: list[Oracle]) -> dict[str, Any]:
    """Return medians over clips, of the swap beside the unswapped original (`before`)."""

    def median(values: list[float]) -> float:
        return round(float(np.median(values)), DIGITS)

    figures: dict[str, Any] = {"clips": len(oracles)}
    for name in ("ssim", "distance", "lips", "brows"):
        pairs = [pair for one in oracles if (pair := getattr(one, name)) is not None]
        if pairs:
            swapped, before = zip(*pairs, strict=True)
            figures[name] = {"swapped": median(list(swapped)), "before": median(list(before)), "clips": len(pairs)}
    for name in ("flicker", "detail"):
        figures[name] = median([getattr(one, name) for one in oracles])
    return figures
