"""Whose face `anonymise` puts on: a donor of the study, or one out of any videos or pictures."""

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calse.config.params import Params
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.faceswap.donor_files import PICTURES, faces_of_files
from calse.faceswap.exposure import UNLIKE
from calse.faceswap.methods.mesh.method import Options
from calse.faceswap.methods.mesh.model.library import Library, library_of, pictures_hash, spread
from calse.faceswap.methods.mesh.model.suitability import shortcomings
from calse.faceswap.methods.mesh.model.train import chosen, cut_clip, topology
from calse.faceswap.quality.distance import distances
from calse.faceswap.quality.identity import embed
from calse.faceswap.registry import SwapSet, find_method
from calse.runtime.errors import CalseError

Floats = NDArray[np.float32]
EMBEDDED = 6  # pictures that are looked at to know whose face it is
NAMELESS = "own-donor"  # what a donor out of videos or pictures is called: the names of files may be a person's


@dataclass(frozen=True)
class DonorRequest:
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


def unsuitable(params: Params, layout: Layout, donor: str) -> tuple[str, ...]:
    """Return what makes a donor of the study less than suitable for the method mesh, or unusable, a line each."""
    try:
        return tuple(shortcomings(_library_of_source(params, layout, donor), topology(layout), donor))
    except CalseError as error:
        return (str(error),)


def donor_of(params: Params, layout: Layout, request: DonorRequest) -> Donor:
    """Return the donor that is asked for. Raises CalseError naming the option, donor, file or picture that is wrong."""
    find_method(request.method)
    if sum(map(bool, (request.donor, request.videos, request.images))) != 1:
        raise CalseError("name one donor: with --donor, --donor-video or --donor-images")
    if request.method != "mesh":
        options: dict[str, object] = {"eyes": request.eyes, "mouth": request.mouth}
        options |= {"donor-video": request.videos, "donor-images": request.images}
        refused = [name for name, value in options.items() if value]
        if refused:
            raise CalseError(f"--{refused[0]} needs the method mesh, not {request.method}")
        return _modelled(params, layout, request)
    if request.donor and any(layout.swap_model(name).is_dir() for name in _sets_of(params, request)):
        donor = _modelled(params, layout, request)
    elif request.donor:
        donor = _of_library(request.donor, _library_of_source(params, layout, request.donor), layout)
    else:
        option = "--donor-video" if request.videos else "--donor-images"
        cuts, left_out = faces_of_files(params, layout, option, request.videos or request.images)
        donor = _of_library(NAMELESS, library_of(cuts, topology(layout)), layout)
        donor = replace(donor, warnings=left_out + donor.warnings)
    return replace(donor, settings=_drawn(donor.settings, request))


def _sets_of(params: Params, request: DonorRequest) -> list[str]:
    """Return the names of the sets with the donor and the method that are asked for."""
    return [name for name, one in params.swap.items() if (one.donor, one.method) == (request.donor, request.method)]


def _modelled(params: Params, layout: Layout, request: DonorRequest) -> Donor:
    """Return the donor of the first set of params.swap that fits, with its model."""
    names = _sets_of(params, request)
    if not names:
        known = ", ".join(sorted({one.donor for one in params.swap.values() if one.method == request.method})) or "none"
        raise CalseError(
            f"params.yaml: no set of `swap` has the donor {request.donor!r} and the method {request.method}; "
            f"donors of that method: {known}"
        )
    name = next((name for name in names if layout.swap_model(name).is_dir()), names[0])
    method, folder = find_method(request.method), layout.swap_model(name)
    model, digest = method.load(layout, folder), method.fingerprint(folder)
    donor = Donor(request.donor, model, digest, params.swap[name], np.empty((0, 128), np.float32))
    if request.method == "mesh":
        return replace(
            donor, faces=_embedded(model[0], layout), warnings=tuple(shortcomings(model[0], model[1], request.donor))
        )
    return donor


def _of_library(name: str, library: Library, layout: Layout) -> Donor:
    """Return the donor of a library, drawn with the options that the method has by default."""
    joined = topology(layout)
    settings = Options(
        method="mesh", donor=name, signers=name, clips_per_gloss=None, seed=0, erode=0.03, feather=0.08, min_moved=0,
        min_kept=0,
    )  # fmt: skip
    warnings = tuple(shortcomings(library, joined, name))
    return Donor(name, (library, joined), pictures_hash(library), settings, _embedded(library, layout), warnings)


def _drawn(settings: SwapSet, request: DonorRequest) -> SwapSet:
    """Return settings with the eyes and the mouth that are asked for."""
    changes: dict[str, Any] = {name: getattr(request, name) for name in ("eyes", "mouth") if getattr(request, name)}
    return replace(settings, **changes)


def _library_of_source(params: Params, layout: Layout, donor: str) -> Library:
    """Return the library of a donor of the study, out of their ingested clips."""
    if donor not in params.sources_of("donor"):
        known = ", ".join(params.sources_of("donor")) or "none"
        raise CalseError(f"--donor {donor}: params.yaml has no such source of kind donor; those are: {known}")
    jobs = chosen(read_manifest(layout.source_manifest(donor)), layout, PICTURES, donor)
    return library_of([cut_clip(job) for job in jobs], topology(layout))


def what_to_try(params: Params, layout: Layout, donor: Donor, signer: Floats) -> str:
    """Return what may help where a signer (embeddings `M x 128`) is still recognised under a donor's face.

    That are the study's donors who look less like the signer, the least first; those without pictures are passed over.
    """
    apart: dict[str, float] = {}
    for name in params.sources_of("donor"):
        with suppress(CalseError):
            faces = donor.faces if name == donor.name else _faces_of(params, layout, DonorRequest(donor=name))
            apart[name] = float(np.median(distances(signer, faces))) if len(faces) else 0.0
    least = max(UNLIKE, apart.pop(donor.name, 0.0))
    farther = sorted((name for name in apart if apart[name] > least), key=lambda name: -apart[name])
    by = "" if donor.settings.method == "mesh" else "--method mesh "
    named = ", ".join(f"{by}--donor {name} ({apart[name]:.2f} from this signer)" for name in farther)
    return f"try {named + ', or ' if named else ''}{by}--donor-video of somebody who looks unlike the signer"


def _faces_of(params: Params, layout: Layout, request: DonorRequest) -> Floats:
    """Return the embeddings of a donor of the study, without the rest of a library that is not there yet."""
    if any(layout.swap_model(name).is_dir() for name in _sets_of(params, request)):
        return _modelled(params, layout, request).faces
    jobs = chosen(read_manifest(layout.source_manifest(request.donor)), layout, EMBEDDED, request.donor)
    crops, points = zip(*map(cut_clip, jobs), strict=True)
    return np.stack([embed(layout, *face) for face in zip(chain(*crops), np.concatenate(points), strict=True)])


def _embedded(library: Library, layout: Layout) -> Floats:
    """Return embeddings of a few of a library's pictures, `M x 128`."""
    numbers = spread(len(library), EMBEDDED).tolist()
    return np.stack([embed(layout, library.crop(k), library.points[k]) for k in numbers])
