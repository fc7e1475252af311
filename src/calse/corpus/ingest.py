"""Raw videos of a source to clips of one rate, size and codec, every frame decoded once."""

import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np

from calse.config.params import Params
from calse.corpus.raw import RawVideo, ids_of, index_of, read_index
from calse.data.clips import Clip, compact_json
from calse.data.manifests import write_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError, StarvedError
from calse.runtime.files import atomic_folder, sha256_of, write_json
from calse.runtime.memo import resumable
from calse.runtime.sandbox import Refused, map_sandboxed
from calse.video.ours.encode import encoder_version, write_video
from calse.video.ours.planes import coded_values
from calse.video.untrusted.decode import Picture, iterate_pictures, probe
from calse.video.untrusted.normalise import at_rate, fitted


@dataclass(frozen=True)
class Job:
    """One raw video to bring into `folder`; `path` is where the clip will be in the end."""

    clip: str
    source: str
    video: RawVideo
    raw: Path
    folder: Path
    path: str
    fps: float
    short_side: int

    @property
    def target(self) -> Path:
        """Where the clip is written."""
        return self.folder / f"{self.clip}.mp4"


def ingest(params: Params, layout: Layout, source: str) -> None:
    """Make clips, manifest and metrics of one source from its raw videos.

    A clip is resampled to `ingest.fps` by what is on screen then (its length stays) and resized to
    `ingest.short_side`. One that does not decode stops the stage, or is left out by name when `ingest.on_bad_clip` is
    drop. Raises CalseError.
    """
    with resumable(make_clip, f"ingest-{source}") as make:
        with atomic_folder(layout.clips(source)) as folder:
            jobs = _jobs(params, layout, source, folder)
            results = map_sandboxed(make, jobs, f"ingest {source}", params.ingest.seconds_per_clip)
            clips = [result for result in results if isinstance(result, Clip)]
            bad = [(job, one.reason) for job, one in zip(jobs, results, strict=True) if isinstance(one, Refused)]
            _report_bad(bad, source, drop=params.ingest.on_bad_clip == "drop")
            if not clips:
                raise CalseError(f"source {source}: no clip is left; import its videos again")
        write_manifest(layout.source_manifest(source), clips)
        write_json(layout.metrics("ingest") / f"{source}.json", _summary(source, clips, bad))


def _jobs(params: Params, layout: Layout, source: str, folder: Path) -> list[Job]:
    """Return a job for every raw video of a source. Raises CalseError when one is missing or has changed."""
    raw = layout.raw(params.corpus.name) / source
    if not index_of(raw).is_file():
        raise CalseError(
            f"source {source}: {index_of(raw)} is missing; import its videos first: "
            f"calse import FOLDER --corpus {params.corpus.name} --source {source}"
        )
    videos = read_index(raw)
    if not videos:
        raise CalseError(f"source {source}: {index_of(raw)} lists no video; import its videos again with --replace")
    jobs = []
    for clip, video in zip(ids_of(source, videos), videos, strict=True):
        path = (layout.clips(source) / f"{clip}.mp4").relative_to(layout.root).as_posix()
        job = Job(clip, source, video, raw / video.file, folder, path, params.ingest.fps, params.ingest.short_side)
        _check_unchanged(job)
        jobs.append(job)
    return jobs


def _check_unchanged(job: Job) -> None:
    """Raise CalseError unless a raw video is the file that was imported."""
    where = f"source {job.source}, gloss {job.video.gloss}, clip {job.clip}: {job.raw}"
    if not job.raw.is_file():
        raise CalseError(f"{where} is missing; `dvc checkout` brings it back")
    if sha256_of(job.raw) != job.video.sha256:
        raise CalseError(f"{where} has changed since it was imported; `dvc checkout`, or import again with --replace")


def make_clip(job: Job) -> Clip:
    """Decode, resample, resize and encode one raw video. Raises CalseError saying what is wrong with the file."""
    try:
        header = probe(job.raw)
        watcher = _Watcher()
        pictures = at_rate(watcher.watch(iterate_pictures(job.raw)), job.fps)
        write_video(job.target, fitted(pictures, job.short_side), job.fps)
    except StarvedError:
        raise
    except CalseError as error:
        raise CalseError(str(error).removeprefix(f"{job.raw}: ").removeprefix(f"{job.target}: ")) from None
    made: dict[str, Any] = {
        "raw": job.raw.name,
        "raw_sha256": job.video.sha256,
        "raw_width": watcher.shape[1],
        "raw_height": watcher.shape[0],
        "raw_fps": header.fps,
        "raw_frames": watcher.frames,
        "encoder": encoder_version(),
    }
    if watcher.doubts:
        made["doubts"] = sorted(watcher.doubts)
    info = probe(job.target)
    return Clip(
        clip=job.clip,
        gloss=job.video.gloss,
        source=job.source,
        signer=job.video.signer,
        take=job.video.take,
        set="",
        parent="",
        path=job.path,
        sha256=sha256_of(job.target),
        content=watcher.content(),
        width=info.width,
        height=info.height,
        fps=info.fps,
        frames=info.frames,
        made=compact_json(made),
    )


class _Watcher:
    """Counts, hashes and doubts the pictures that pass by, so that each is decoded once; `shape` is upright."""

    def __init__(self) -> None:
        self.frames, self.shape = 0, (0, 0)
        self.doubts: set[str] = set()
        self._digest = hashlib.sha256()

    def watch(self, pictures: Iterable[Picture]) -> Iterator[Picture]:
        """Yield the pictures as they come."""
        for picture in pictures:
            width, height = picture.size
            self.frames, self.shape = self.frames + 1, (height, width)
            if picture.orientation.exchanged:
                self.shape = self.shape[::-1]
            self.doubts.update(picture.doubts)
            for plane in coded_values(picture.coded):
                self._digest.update(np.ascontiguousarray(plane).data)
            yield picture

    def content(self) -> str:
        """Return the sha256 of the pixels as they are coded and of the clip's shape."""
        self._digest.update(repr((self.frames, *self.shape)).encode())
        return self._digest.hexdigest()


def _report_bad(bad: list[tuple[Job, str]], source: str, drop: bool) -> None:
    """Print which clips are left out. Raises CalseError unless `drop`."""
    lines = [f"gloss {job.video.gloss}, clip {job.clip}: {job.raw}: {reason}" for job, reason in bad]
    if lines and not drop:
        more = f" (and {len(lines) - 1} more: {', '.join(job.clip for job, _ in bad[1:])})" if lines[1:] else ""
        raise CalseError(
            f"source {source}, {lines[0]}{more}; mend or remove it and import again, or set ingest.on_bad_clip: drop"
        )
    for line in lines:
        print(f"left out: source {source}, {line}", file=sys.stderr)


def _summary(source: str, clips: list[Clip], bad: list[tuple[Job, str]]) -> dict[str, Any]:
    """Return what is measured of a source: clips, frames, seconds and what was left out."""
    return {
        "source": source,
        "clips": len(clips),
        "frames": sum(clip.frames for clip in clips),
        "seconds": round(fsum(clip.frames / clip.fps for clip in clips), 3),
        "dropped": [{"clip": job.clip, "gloss": job.video.gloss, "reason": reason} for job, reason in bad],
    }
