"""Long recordings with ELAN annotations, cut into a video a sign, which then are imported as any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calse.data.elan import Annotation, Tier, read_tier
from calse.data.manifests import write_rows
from calse.runtime.errors import CalseError
from calse.runtime.sandbox import Refused, map_sandboxed
from calse.video.ours.encode import write_video
from calse.video.untrusted.copy import MEMORY, square
from calse.video.untrusted.decode import iterate_frames, probe

QP = 10  # of the cut videos: nothing to see is lost, and ingest encodes once more
SECONDS = 6 * 3600  # of CPU time that decoding one recording may take
EARLY = 1e-3  # seconds by which a frame may start before its annotation: ELAN counts in whole milliseconds


@dataclass(frozen=True)
class Cut:
    """A recording and the folder its signs go to, each under the name of its place in `names`."""

    tier: Tier
    folder: Path
    names: tuple[str, ...]


def cut_recordings(files: Sequence[Path], tier: str, folder: Path) -> Path:
    """Write every annotation of a tier as a video of its own and return the table that lists them for an import.

    The text is the gloss, the tier's participant the signer. Raises CalseError naming the file that cannot be read.
    """
    cuts = []
    for number, file in enumerate(files, start=1):
        found = read_tier(file, tier)
        names = tuple(
            f"{number}-{place:04d}-at-{a.start:.2f}s.mp4" for place, a in enumerate(found.annotations, start=1)
        )
        cuts.append(Cut(found, folder, names))
    for file, done in zip(files, map_sandboxed(cut, cuts, "cut", SECONDS), strict=True):
        if isinstance(done, Refused):
            raise CalseError(f"{file}: its video {done.reason}")
    table = folder / "signs.csv"
    rows = (
        {"file": name, "gloss": one.text, "signer": work.tier.participant}
        for work in cuts
        for name, one in zip(work.names, work.tier.annotations, strict=True)
    )
    write_rows(table, ["file", "gloss", "signer"], rows)
    return table


def cut(job: Cut) -> int:
    """Write the frames that start within each annotation, at their own times; return how many annotations had some.

    Raises CalseError saying what is wrong with the video.
    """
    video, written = job.tier.video, 0
    waiting = list(zip(job.names, job.tier.annotations, strict=True))
    kept: list[np.ndarray] = []
    times: list[float] = []
    try:
        fps = probe(video).fps
        for frame in iterate_frames(video):
            while waiting and frame.seconds >= waiting[0][1].end - EARLY:
                written += _write(job.folder / waiting[0][0], kept, times, waiting.pop(0)[1], fps)
            if not waiting:
                break
            if frame.seconds >= waiting[0][1].start - EARLY:
                kept.append(square(frame))
                times.append(frame.seconds)
                if sum(image.nbytes for image in kept[:1]) * len(kept) > MEMORY:
                    raise CalseError(f"has an annotation at {waiting[0][1].start:.2f} s that is too long for a sign")
        if waiting:
            written += _write(job.folder / waiting[0][0], kept, times, waiting[0][1], fps)
    except CalseError as error:
        raise CalseError(str(error).removeprefix(f"{video}: ")) from None
    return written


def _write(path: Path, kept: list[np.ndarray], times: list[float], annotation: Annotation, fps: float) -> bool:
    """Write the frames of an annotation and forget them; say whether there were some."""
    if not kept:
        return False  # it lies behind the video's end; the import names its file as missing
    end = max(min(annotation.end, times[-1] + 1 / fps), times[-1] + EARLY)
    seconds = [time - times[0] for time in [*times, end]]
    write_video(path, kept, fps, qp=QP, times=seconds)
    kept.clear()
    times.clear()
    return True
