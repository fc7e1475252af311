"""A donor's faces out of somebody's own videos or pictures, decoded where they can do no harm."""

import os
from pathlib import Path

import cv2
import numpy as np

from calse.config.params import Params
from calse.data.paths import Layout
from calse.faceswap.methods.mesh.model.library import Cut, cut, spread, usable
from calse.landmarks.following import landmarks_of_frames, load_networks
from calse.runtime.errors import CalseError
from calse.runtime.files import temporary_folder
from calse.runtime.repository import scratch
from calse.runtime.sandbox import Refused, map_sandboxed
from calse.video.ours.encode import write_video
from calse.video.ours.planes import resized
from calse.video.ours.read import iterate_frames
from calse.video.untrusted.copy import Foreign, copy_videos

PICTURES = 400  # kept of a donor at most
LARGE = 1080  # pixels of the shorter side that a picture is shrunk to: no signer's face has more detail
SHOWN = 3  # files that are named


def faces_of_files(
    params: Params, layout: Layout, option: str, given: tuple[Path, ...]
) -> tuple[list[Cut], tuple[str, ...]]:
    """Return the faces of one person in videos or pictures, and a line on the files that gave none.

    `option` is `--donor-video` or `--donor-images`; a folder stands for the files in it. Raises CalseError when a file
    is missing, or none shows a face that can be used.
    """
    videos = files_in(option, given)
    videos = [videos[k] for k in spread(len(videos), PICTURES).tolist()]
    most = max(1, PICTURES // len(videos))
    cuts, left_out = [], []
    with temporary_folder(scratch() / "donor") as folder:
        files = [Foreign(video, folder / f"{number}.mp4") for number, video in enumerate(videos)]
        seconds = params.ingest.seconds_per_clip
        copied = (
            map_sandboxed(copy_picture, files, "read", seconds)
            if option == "--donor-images"
            else copy_videos(files, seconds)
        )
        for file, outcome in zip(files, copied, strict=True):
            found = outcome.reason if isinstance(outcome, Refused) else _faces_of(params, layout, file, most)
            if isinstance(found, str):
                left_out.append(f"{file.video}: {found}")
            else:
                cuts.append(found)
            file.copy.unlink(missing_ok=True)
    more = f" and {len(left_out) - SHOWN} more" if len(left_out) > SHOWN else ""
    reasons = "; ".join(left_out[:SHOWN]) + more
    if not cuts:
        raise CalseError(f"{option}: no face that can be used. {reasons}")
    return cuts, (f"{len(left_out)} of {len(files)} files of the donor left out. {reasons}",) if left_out else ()


def files_in(option: str, given: tuple[Path, ...]) -> list[Path]:
    """Return files as they are given, and of a folder those that are not hidden, in order of their names.

    Raises CalseError naming what is missing, and a folder without a file.
    """
    files: list[Path] = []
    for path in given:
        if not path.exists():
            raise CalseError(f"{option} {path}: there is no such file or folder")
        inside = [one for one in path.iterdir() if one.is_file() and one.name[0] != "."] if path.is_dir() else [path]
        if not inside:
            raise CalseError(f"{option} {path}: this folder has no file in it")
        files += sorted(inside)
    return files


def copy_picture(job: Foreign) -> None:
    """Decode one picture, upright, and write it as a video of one frame. Raises CalseError when it is none."""
    picture = cv2.imread(os.fspath(job.video), cv2.IMREAD_COLOR)
    if picture is None:
        raise CalseError("is no picture that can be read; take PNG or JPEG")
    height, width = picture.shape[:2]
    shrunk = min(1.0, LARGE / min(height, width))
    size = max(2, round(width * shrunk) // 2 * 2), max(2, round(height * shrunk) // 2 * 2)
    write_video(job.copy, resized(picture[..., ::-1], size)[None], 25, qp=0)


def _faces_of(params: Params, layout: Layout, file: Foreign, most: int) -> Cut | str:
    """Return the faces of one file that can be used, or why there are none."""
    frames = np.stack(list(iterate_frames(file.copy)))
    found = landmarks_of_frames(frames, load_networks(layout), params.landmarks)
    numbers = usable(found, *frames.shape[1:3])
    if len(numbers):
        return cut(frames, found, numbers[spread(len(numbers), most)])
    if not found.has_face.any():
        return f"shows no face, or none as wide as {params.landmarks.min_width:.0%} of the frame"
    shown = f"{int(found.has_face.sum())} of {len(frames)} frames show a face" if len(frames) > 1 else "shows a face"
    return f"{shown}, but not whole, surely found and without a hand in front of it"
