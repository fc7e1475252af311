"""The command `anonymise`: a donor's face on the signer of any video, with the figures of what came out."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from calse.config.params import Params
from calse.data.clips import provenance
from calse.data.paths import Layout
from calse.faceswap.blur import BLUR, blur_face, strongly_blurred
from calse.faceswap.convert import FACE, Pictures, SwapReport, swap_frames
from calse.faceswap.donor import Donor, DonorRequest, donor_of, what_to_try
from calse.faceswap.exposure import LeftFaces, exposures, lost_faces, near_donor, turned_faces, worn_glasses
from calse.faceswap.face_window import FaceWindow, face_window_of
from calse.faceswap.mask import face_width
from calse.faceswap.quality.compare import find_again, mean_kept, poor_copy
from calse.faceswap.recognised import identity
from calse.landmarks.following import landmarks_of_frames, load_networks
from calse.landmarks.record import HAND_POINTS, Floats, Landmarks
from calse.runtime.errors import CalseError, StarvedError, one_line, print_warnings
from calse.runtime.executor import progress_bar, worker_count
from calse.runtime.files import sha256_of, temporary_folder
from calse.runtime.repository import scratch
from calse.runtime.sandbox import Refused
from calse.video.marks.label import labelled
from calse.video.marks.mark import Mark, Origin, unmarked
from calse.video.ours.encode import FAST, SPEED, write_video
from calse.video.ours.planes import Planes, planes_of_rgb, rgb_of
from calse.video.untrusted.copy import Copier, Copy, Foreign, Times

Unswapped = Literal["blur", "keep", "drop"]
POOR, ENOUGH = 3, 50  # frames of which one is looked at as a poor copy, which only says what can be read; but so many
LARGE = 1280 * 720  # pixels, from which on the encoder takes half of the time and more bytes
NO_HANDS = np.empty((0, HAND_POINTS, 3), np.float32)


@dataclass(frozen=True)
class Result:
    """What came out of a video: `refused` says why nothing did, then the rest is empty.

    `swapped` of `frames` have the donor's face, `dropped` were left out; `moved` is the share of sampled ones that are
    no longer taken for the signer, None where none could be measured; `kept` is the correlation of the expression with
    the original's, None where nothing could be read; `exposed` names every way in which somebody in the video may
    still be recognised, `advice` what to try where the donor does not hide the signer.
    """

    video: Path
    target: Path
    refused: str = ""
    frames: int = 0
    swapped: int = 0
    dropped: int = 0
    moved: float | None = None
    kept: float | None = None
    exposed: tuple[str, ...] = ()
    advice: str = ""


def anonymise(
    params: Params,
    layout: Layout,
    videos: list[Path],
    request: DonorRequest,
    folder: Path,
    mark: Mark = unmarked,
    label: bool = False,
    unswapped: Unswapped = "blur",
) -> list[Result]:
    """Write each video with the donor's face as `<folder>/<name>.mp4`: same frames, same times, no sound.

    Sides are made even. `mark` writes a finished video to its place, with what says how it came to be; `label` says it
    in the pictures too. `unswapped` says what becomes of frames in which no face was found: those between frames with
    one are blurred, or all are kept as they are, or dropped. A video that gives nothing is refused in its Result and
    leaves no file; the others are made.
    Raises CalseError, before any work, when a target exists, two videos share a name, or the donor cannot be had.
    """
    targets = _targets(videos, folder)
    with temporary_folder(scratch() / "foreign") as temporary, Copier(params.ingest.seconds_per_clip) as copier:
        donor = donor_of(params, layout, request)
        print_warnings(donor.warnings)
        swapper = Swapper(params, layout, donor, mark, label, unswapped)
        with progress_bar() as progress:
            work = progress.track(list(zip(videos, targets, strict=True)), description="anonymise")
            return [swapper.result(copier.start(Foreign(one, temporary / to.name)), to) for one, to in work]


def _targets(videos: list[Path], folder: Path) -> list[Path]:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise CalseError(f"--output {folder}: no folder can be made or written to in {there}; choose another one")
    targets: list[Path] = []
    for video in videos:
        target = folder / f"{video.stem}.mp4"
        if target in targets:
            raise CalseError(f"{video}: another video would become {target} too; give them different names")
        if target.exists():
            raise CalseError(f"{video}: {target} exists; remove it or choose another folder")
        targets.append(target)
    return targets


class Swapper:
    """A donor with all that it needs to change videos."""

    def __init__(
        self, params: Params, layout: Layout, donor: Donor, mark: Mark, label: bool, unswapped: Unswapped
    ) -> None:
        self._params, self._layout, self._landmarks, self._donor = params, layout, params.landmarks, donor
        self._mark, self._label, self._unswapped = mark, label, unswapped
        self._networks = load_networks(layout)
        made = {"by": "anonymise", "method": donor.settings.method, "donor": donor.name, "model": donor.digest}
        self._made = made | {"face": FACE}

    def result(self, copy: Copy, target: Path) -> Result:
        """Return what comes out of one video, of which a copy is being made, or why nothing does."""
        try:
            return self._swap(copy, target)
        except StarvedError:
            raise
        except CalseError as error:
            return Result(copy.video, target, str(error))

    def _swap(self, copy: Copy, target: Path) -> Result:
        """Put the donor's face on one video, measure what came out and write it; a step beside another on each core."""
        cv2.setNumThreads(1)  # what runs side by side are steps and frames: threads inside each wait for one another
        track = landmarks_of_frames(copy, self._networks, self._landmarks, at_face=True)
        times = copy.times()
        if isinstance(times, Refused):
            raise CalseError(times.reason)
        if not track.has_face.any():
            raise CalseError(f"shows no face, or none as wide as {self._landmarks.min_width:.0%} of the frame")
        window = face_window_of(track, *next(iter(copy)).shape)
        window.check_memory(len(track.face))
        lost = lost_faces(track, times.seconds) if self._unswapped == "blur" else {}
        left = track.has_face if self._unswapped == "drop" else np.full(len(track.face), True)
        looks = LeftFaces(track, lost, times.seconds, self._networks, self._landmarks)
        with ThreadPoolExecutor(1) as beside:
            looking = beside.submit(looks.look_at, _shown_as_they_came(copy, lost, left))
            original, near = window.read(copy.path, len(left)), window.moved(track)
            settings, every = window.fitted(self._landmarks), max(1, min(POOR, len(original) // ENOUGH))
            poor = beside.submit(poor_copy, original, self._networks, settings, every)
            swapped, report = self._swapped(original, near)
            looking.result()
            can_be_read = poor.result()
            for number, landmarks in lost.items():
                if landmarks is not None:
                    swapped[number] = blur_face(swapped[number], window.inside(landmarks), NO_HANDS)
            origin = Origin(self._made, parent_sha256=sha256_of(copy.video))  # unnamed: it may be a person's name
            finished = copy.path.with_suffix(".done.mp4")
            shown = Shown(copy, window, swapped, near, lost, left)
            written = beside.submit(self._write, finished, shown, times, left, origin)
            found = find_again(swapped, near, can_be_read, self._networks, settings)
            who = identity(self._layout, original, swapped, near, found.landmarks, times.seconds)
            after, dropped = found.landmarks, np.flatnonzero(~left).tolist()
            exposed = exposures(looks, track, lost, after, who, times.seconds, dropped)
            alike = near_donor(who, self._donor.faces)
            exposed += turned_faces(found.original, times.seconds) + alike + worn_glasses(original, near)
            unhidden = bool(alike or who.signer)
            advice = what_to_try(self._params, self._layout, self._donor, who.before) if unhidden else ""
            written.result()
        copy.path.unlink()
        self._mark(finished, target, origin)
        finished.unlink(missing_ok=True)
        counts = (len(original), report.swapped, int((~left).sum()))
        return Result(
            copy.video, target, "", *counts, moved=who.moved, kept=mean_kept(found.expression), exposed=exposed,
            advice=advice,
        )  # fmt: skip

    def _swapped(self, original: Pictures, near: Landmarks) -> tuple[Pictures, SwapReport]:
        """Swap the faces of the windows of all frames, as many frames at once as there are cores."""
        cv2.setNumThreads(worker_count())
        try:
            return swap_frames(original, near, self._donor.model, self._donor.settings)
        finally:
            cv2.setNumThreads(1)

    def _write(self, path: Path, shown: "Shown", times: Times, left: NDArray[np.bool_], origin: Origin) -> None:
        """Encode the frames that are left, at their times, with the label when it is asked for."""
        seconds = None if times.constant and left.all() else _starts(times.seconds, left)
        frames = (planes for planes in shown if planes is not None)
        pictures = (labelled(rgb_of(planes), origin.label) for planes in frames) if self._label else frames
        speed = FAST if shown.pixels >= LARGE else SPEED
        write_video(path, pictures, times.fps, provenance("", self._made), times=seconds, speed=speed)


class Shown:
    """The frames of a swapped video: as they came, but for the face.

    `swapped` are their windows, `near` the landmarks in these, `lost` the faces that were blurred in them, None where
    the whole picture is; a frame that is not `left` is None.
    """

    def __init__(
        self,
        video: Iterable[Planes],
        window: FaceWindow,
        swapped: Pictures,
        near: Landmarks,
        lost: dict[int, Floats | None],
        left: NDArray[np.bool_],
    ) -> None:
        self._video, self._window, self._swapped, self._lost, self._left = video, window, swapped, lost, left
        self.pixels = window.height * window.width
        self._near = near
        self._blur = BLUR * max(face_width(face) for face in near.face[near.has_face])

    def __iter__(self) -> Iterator[Planes | None]:
        """Yield the frames."""
        for number, planes in enumerate(self._video):
            if not self._left[number]:
                yield None
            elif number in self._lost and self._lost[number] is None:
                yield planes_of_rgb(strongly_blurred(rgb_of(planes), self._blur))
            else:
                if number in self._lost:
                    self._window.put(self._swapped[number], planes)
                elif self._near.has_face[number]:
                    self._window.put(self._swapped[number], planes, self._near.face[number])
                yield planes


def _shown_as_they_came(
    video: Iterable[Planes], lost: dict[int, Floats | None], left: NDArray[np.bool_]
) -> Iterator[Planes | None]:
    """Yield the frames of a video, but None for those that are left out or blurred as a whole."""
    for number, planes in enumerate(video):
        yield planes if left[number] and (number not in lost or lost[number] is not None) else None


def _starts(seconds: Sequence[float], left: NDArray[np.bool_]) -> list[float]:
    """Return when the frames that are left start, and the end; each lasts until the next, the first one starts at 0."""
    starts = [seconds[number] for number in np.flatnonzero(left).tolist()]
    return [start - starts[0] for start in (*starts, seconds[-1])]


def print_results(results: list[Result]) -> None:
    """Print one line a video. Raises CalseError when one was refused or may still show who signs."""
    console = Console(soft_wrap=True, highlight=False)
    for result in results:
        console.print(one_line(line_of(result)), markup=False)
    refused, exposed = (sum(bool(getattr(one, name)) for one in results) for name in ("refused", "exposed"))
    if refused < len(results):
        console.print("Sound, subtitles and data about the recording were left out.")
    bad = [f"{refused} of {len(results)} videos gave nothing; the reasons are above"] if refused else []
    if exposed:
        bad.append(f"{exposed} of {len(results)} videos may still show who signs, marked above: look before sharing")
    if bad:
        raise CalseError("; ".join(bad))


def line_of(result: Result) -> str:
    """Return what came out of one video, for a person."""
    if result.refused:
        return f"refused  {result.video}: {result.refused}"
    moved = (
        "no face is found any more" if result.moved is None else f"not the signer in {result.moved:.0%} of the sample"
    )
    kept = "too little movement to measure" if result.kept is None else f"{result.kept:.2f}"
    swapped = f"{result.swapped} of {result.frames} frames swapped"
    swapped += f", {result.dropped} dropped" if result.dropped else ""
    exposed = "".join(f"; {danger}" for danger in (*result.exposed, result.advice) if danger)
    return f"{result.target}: {swapped}; identity: {moved}; expression kept: {kept}{exposed}"
