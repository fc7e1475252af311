"""The command `anonymise`: a donor's face on the signer of any video, with the figures of what came out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from calse.clips import provenance
from calse.errors import CalseError
from calse.faceswap.checkpoint import load_model, model_hash
from calse.faceswap.compare import Comparison, compare
from calse.faceswap.convert import FACE, swap_frames
from calse.faceswap.identity import SAME_PERSON
from calse.faceswap.likeness import distances, embed_frames, sample
from calse.faceswap.pictures import Pictures
from calse.faceswap.track import FaceTrack
from calse.faceswap.tracking import load_networks, track_and_count
from calse.files import folder_for_now
from calse.layout import Layout, scratch
from calse.parallel import progress_bar
from calse.params import Params, SwapSet
from calse.video.decode import probe, read_frames
from calse.video.encode import write_video
from calse.video.foreign import Foreign, copy_videos

SAMPLED, SEED = 8, 1974  # frames of a video in which it is checked whose face it is


@dataclass(frozen=True)
class Result:
    """What came out of a video: `refused` says why nothing did, then the rest is empty.

    `swapped` of `frames` have the donor's face; `moved` is the share of sampled ones that are no longer taken for the
    signer; `kept` is the correlation of the expression with the original's, None where nothing could be read;
    `exposed` says why somebody in the video may still be recognised.
    """

    video: Path
    target: Path
    refused: str = ""
    frames: int = 0
    swapped: int = 0
    moved: float | None = None
    kept: float | None = None
    exposed: tuple[str, ...] = ()


def anonymise(params: Params, layout: Layout, videos: list[Path], donor: str, folder: Path) -> list[Result]:
    """Write each video with the donor's face as `<folder>/<name>.mp4`: same rate and frames, even sides, no sound.

    A video that does not decode or shows no face is refused in its Result. Raises CalseError, before any work, when a
    target exists, two videos share a name, or the donor has no model.
    """
    targets = _targets(videos, folder)
    swapper = Swapper(params, layout, donor)
    with folder_for_now(scratch() / "foreign") as temporary:
        foreign = [Foreign(video, temporary / one.name) for video, one in zip(videos, targets, strict=True)]
        refused = copy_videos(foreign, params.ingest.seconds_per_clip)
        with progress_bar() as progress:
            work = list(zip(foreign, targets, refused, strict=True))
            return [
                Result(one.video, target, reason) if reason else swapper.swap(one, target)
                for one, target, reason in progress.track(work, description="anonymise")
            ]


def _targets(videos: list[Path], folder: Path) -> list[Path]:
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
    """A donor's model with all that it needs to change videos."""

    def __init__(self, params: Params, layout: Layout, donor: str) -> None:
        self._layout, self._faces = layout, params.faces
        self._settings = settings_of(params, donor)
        self._network = load_model(layout.swap_model(donor))[0]
        self._networks = load_networks(layout)
        model = model_hash(layout.swap_model(donor))
        # the parent stays unnamed: its name may be a person's
        self._provenance = provenance("", {"by": "anonymise", "donor": donor, "model": model, "face": FACE})

    def swap(self, job: Foreign, target: Path) -> Result:
        """Write one video with the donor's face and measure it."""
        original, fps = read_frames(job.copy), probe(job.copy).fps
        job.copy.unlink()
        track, crowded = track_and_count(original, self._networks, self._faces)
        if not track.found.any():
            return Result(
                job.video, target, refused=f"shows no face, or none as wide as {self._faces.min_width:.0%} of the frame"
            )
        swapped, report = swap_frames(original, track, self._network, self._settings)
        write_video(target, swapped, fps, self._provenance)
        figures = compare(original, swapped, track, self._networks, self._faces)
        moved = self._moved(original, swapped, track, figures)
        dangers = {
            "MOST FRAMES STILL LOOK LIKE THE SIGNER": moved is not None and moved < self._settings.min_moved,
            "OTHER FACES LEFT AS THEY WERE": crowded > 0,
        }
        exposed = tuple(danger for danger, is_there in dangers.items() if is_there)
        return Result(
            job.video, target, "", len(original), report.swapped, moved=moved, kept=figures.kept, exposed=exposed
        )

    def _moved(self, original: Pictures, swapped: Pictures, track: FaceTrack, figures: Comparison) -> float | None:
        """Return the share of sampled frames that are no longer taken for the signer; None when no face is left."""
        both = track.found & ~np.isnan(figures.swapped[:, 0])
        if not both.any():
            return None
        numbers = sample(both, SAMPLED, "", SEED)
        before = embed_frames(self._layout, original, track.landmarks, numbers)
        after = embed_frames(self._layout, swapped, figures.landmarks, numbers)
        return float((distances(after, before) > SAME_PERSON).mean())


def settings_of(params: Params, donor: str) -> SwapSet:
    """Return how a donor's face is put on: as in the first set of params.swap that uses the donor."""
    for settings in params.swap.values():
        if settings.donor == donor:
            return settings
    known = ", ".join(sorted({settings.donor for settings in params.swap.values()})) or "none"
    raise CalseError(f"params.yaml: no set of `swap` has the donor {donor!r}; those there are: {known}")


def print_results(results: list[Result]) -> None:
    """Print one line a video. Raises CalseError when one was refused or may still show who signs."""
    console = Console(soft_wrap=True, highlight=False)
    for result in results:
        console.print(line_of(result), markup=False)
    refused = sum(bool(result.refused) for result in results)
    if refused:
        raise CalseError(f"{refused} of {len(results)} videos gave nothing; the reasons are above")
    exposed = sum(bool(result.exposed) for result in results)
    if exposed:
        raise CalseError(
            f"{exposed} of {len(results)} videos may still show who signs, marked above: look before sharing"
        )


def line_of(result: Result) -> str:
    """Return what came out of one video, for a person."""
    if result.refused:
        return f"refused  {result.video}: {result.refused}"
    moved = (
        "no face is found any more" if result.moved is None else f"not the signer in {result.moved:.0%} of the sample"
    )
    kept = "too little movement to measure" if result.kept is None else f"{result.kept:.2f}"
    swapped = f"{result.swapped} of {result.frames} frames swapped"
    exposed = "".join(f"; {danger}" for danger in result.exposed)
    return f"{result.target}: {swapped}; identity: {moved}; expression kept: {kept}{exposed}"
