"""Whose face `anonymise` puts on: a donor of the study, or one out of any videos or pictures."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.config.params import Params
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.faceswap.methods.mesh.method import Options
from calse.faceswap.methods.mesh.model.library import Cut, Library, cut, library_of, pictures_hash, spread, usable
from calse.faceswap.methods.mesh.model.suitability import shortcomings
from calse.faceswap.methods.mesh.model.train import chosen, cut_clip, topology
from calse.faceswap.quality.identity import embed
from calse.faceswap.registry import SwapSet, find_method
from calse.landmarks.following import landmarks_of_frames, load_networks
from calse.runtime.errors import CalseError
from calse.runtime.files import folder_for_now
from calse.runtime.repository import scratch
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames
from calse.video.untrusted.copy import Foreign, copy_videos
from calse.video.untrusted.sandbox import Refused, map_sandboxed

Floats = NDArray[np.float32]
PICTURES, EMBEDDED = 400, 6  # kept of a donor at most; looked at to know whose face it is
NAMELESS = "own-donor"  # of somebody's videos or pictures: their file names may be a person's


@dataclass(frozen=True)
class Wish:
    """Whose face is asked for: exactly one of `donor`, `videos` and `images`; None leaves an option as it is."""

    method: str = "mesh"
    donor: str = ""
    videos: tuple[Path, ...] = ()
    images: tuple[Path, ...] = ()
    eyes: str | None = None
    mouth: str | None = None


@dataclass(frozen=True)
class Donor:
    """A face to put on: its model, what that hashes to, how it is drawn, and what it lacks.

    `faces` are embeddings `M x 128`, none where the model holds no picture.
    """

    name: str
    model: Any
    digest: str
    settings: SwapSet
    faces: Floats
    warnings: tuple[str, ...] = ()


def donor_of(params: Params, layout: Layout, wish: Wish) -> Donor:
    """Return the donor that is asked for. Raises CalseError naming the option, donor, file or picture that is wrong."""
    find_method(wish.method)
    if sum(map(bool, (wish.donor, wish.videos, wish.images))) != 1:
        raise CalseError("name one donor: with --donor, --donor-video or --donor-images")
    if wish.method != "mesh":
        changed = [f"--{name}" for name in ("eyes", "mouth") if getattr(wish, name) is not None]
        refused = [*changed, *(["--donor-video"] if wish.videos else []), *(["--donor-images"] if wish.images else [])]
        if refused:
            raise CalseError(f"{refused[0]} needs the method mesh, not {wish.method}")
        return _modelled(params, layout, wish)
    if wish.donor and any(layout.swap_model(name).is_dir() for name in _sets_of(params, wish)):
        donor = _modelled(params, layout, wish)
    elif wish.donor:
        donor = _of_library(wish.donor, _library_of_source(params, layout, wish.donor), layout, wish)
    else:
        donor = _of_library(NAMELESS, _library_of_files(params, layout, wish), layout, wish)
    return replace(donor, settings=_drawn(donor.settings, wish))


def _sets_of(params: Params, wish: Wish) -> list[str]:
    return [name for name, one in params.swap.items() if (one.donor, one.method) == (wish.donor, wish.method)]


def _modelled(params: Params, layout: Layout, wish: Wish) -> Donor:
    """Return the donor of the first set of params.swap that fits, with its model."""
    names = _sets_of(params, wish)
    if not names:
        known = ", ".join(sorted({one.donor for one in params.swap.values() if one.method == wish.method})) or "none"
        raise CalseError(
            f"params.yaml: no set of `swap` has the donor {wish.donor!r} and the method {wish.method}; "
            f"donors of that method: {known}"
        )
    method, folder = find_method(wish.method), layout.swap_model(names[0])
    model, digest = method.load(layout, folder), method.fingerprint(folder)
    donor = Donor(wish.donor, model, digest, params.swap[names[0]], np.empty((0, 128), np.float32))
    if wish.method == "mesh":
        return replace(
            donor, faces=_embedded(model[0], layout), warnings=tuple(shortcomings(model[0], model[1], wish.donor))
        )
    return donor


def _of_library(name: str, library: Library, layout: Layout, wish: Wish) -> Donor:
    joined = topology(layout)
    settings = Options(
        method="mesh", donor=name, signers=name, clips_per_gloss=None, seed=0, erode=0.03, feather=0.08, min_moved=0,
        min_kept=0,
    )  # fmt: skip
    warnings = tuple(shortcomings(library, joined, name))
    return Donor(name, (library, joined), pictures_hash(library), settings, _embedded(library, layout), warnings)


def _drawn(settings: SwapSet, wish: Wish) -> SwapSet:
    changes: dict[str, Any] = {name: getattr(wish, name) for name in ("eyes", "mouth") if getattr(wish, name)}
    return replace(settings, **changes)


def _library_of_source(params: Params, layout: Layout, donor: str) -> Library:
    """Return the library of a donor of the study, out of their ingested clips."""
    if donor not in params.sources_of("donor"):
        known = ", ".join(params.sources_of("donor")) or "none"
        raise CalseError(f"--donor {donor}: params.yaml has no such source of kind donor; those are: {known}")
    jobs = chosen(read_manifest(layout.source_manifest(donor)), layout, PICTURES, donor)
    return library_of([cut_clip(job) for job in jobs], topology(layout))


def _library_of_files(params: Params, layout: Layout, wish: Wish) -> Library:
    """Return the library of the person in somebody's videos or pictures, decoded where they can do no harm."""
    with folder_for_now(scratch() / "donor") as folder:
        files = [Foreign(file, folder / f"{number}.mp4") for number, file in enumerate(wish.videos or wish.images)]
        copy: Callable[[], list[Any]] = (
            (lambda: copy_videos(files, params.ingest.seconds_per_clip))
            if wish.videos
            else (lambda: map_sandboxed(copy_picture, files, "read", params.ingest.seconds_per_clip))
        )
        for file, copied in zip(files, copy(), strict=True):
            if isinstance(copied, Refused):
                raise CalseError(f"{file.video}: {copied.reason}")
        found = [_cut_file(params, layout, file) for file in files]
    cuts = [one for one, _ in found if len(one[1])]
    if not cuts:
        raise CalseError("; ".join(f"{file.video}: {why}" for file, (_, why) in zip(files, found, strict=True)))
    return library_of(cuts, topology(layout))


def copy_picture(job: Foreign) -> None:
    """Decode one picture and write it as a video of one frame. Raises CalseError when it is none."""
    picture = cv2.imread(str(job.video), cv2.IMREAD_COLOR)
    if picture is None:
        raise CalseError("is no picture that can be read; take PNG or JPEG")
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    write_video(job.copy, picture[None, :height, :width, ::-1], 25, qp=0)


def _cut_file(params: Params, layout: Layout, file: Foreign) -> tuple[Cut, str]:
    """Return the faces of one file that can be used, and why there are none."""
    frames = read_frames(file.copy)
    found = landmarks_of_frames(frames, load_networks(layout), params.landmarks)
    numbers = usable(found, *frames.shape[1:3])
    faces = int(found.has_face.sum())
    why = f"shows a face in {faces} of {len(frames)} frames, in none of them whole and without a hand in front of it"
    return cut(frames, found, numbers[spread(len(numbers), PICTURES)]), why


def _embedded(library: Library, layout: Layout) -> Floats:
    """Return embeddings of a few of a library's pictures, `M x 128`."""
    numbers = spread(len(library), EMBEDDED).tolist()
    return np.stack([embed(layout, library.crop(k), library.points[k]) for k in numbers])
