"""The stage `affine`: copies of clips under one random affine map each."""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from calse.augment.draws import Matrix, draw_matrix
from calse.config.params import AffineSet, Params
from calse.data.clips import Clip, choose, compact_json, provenance, seed_of
from calse.data.manifests import read_manifest, verify, write_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.executor import map_parallel
from calse.runtime.files import folder_written_aside, sha256_of
from calse.runtime.memo import resumable
from calse.video.ours.encode import write_video
from calse.video.ours.planes import BLACK, Planes
from calse.video.ours.read import iterate_planes

BORDERS = {"black": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}


@dataclass(frozen=True)
class Copy:
    """One clip to make: the parent, the set that it joins, and where its file is written and will be read."""

    parent: Clip
    set_name: str
    settings: AffineSet
    number: int
    folder: Path
    layout: Layout

    @property
    def name(self) -> str:
        """The copy's clip id."""
        return f"{self.set_name}-{self.parent.clip}-{self.number}"


def affine(params: Params, layout: Layout, set_name: str) -> None:
    """Make an augmentation set and its manifest. Raises CalseError for an unknown set or a damaged parent clip."""
    if set_name not in params.affine:
        raise CalseError(f"affine.{set_name} is not in params.yaml; its sets are: {', '.join(params.affine)}")
    settings = params.affine[set_name]
    clips = [clip for name in params.sources_of(settings.of) for clip in read_manifest(layout.source_manifest(name))]
    parents = choose(clips, settings.clips_per_gloss, settings.seed)
    with resumable(make_copy, f"affine-{set_name}") as make:
        with folder_written_aside(layout.augmented(set_name)) as folder:
            copies = [
                Copy(parent, set_name, settings, number, folder, layout)
                for parent in parents
                for number in range(1, settings.copies + 1)
            ]
            made = map_parallel(make, copies, f"affine {set_name}")
        write_manifest(layout.set_manifest(set_name), made)


def make_copy(copy: Copy) -> Clip:
    """Warp one clip into a file and return its record: the parent's, with what changed."""
    cv2.setNumThreads(1)
    parent, settings = copy.parent, copy.settings
    seed = seed_of(settings.seed, parent.clip, copy.number)
    matrix = draw_matrix(settings, parent.width, parent.height, seed)
    pictures = iterate_planes(verify(parent, copy.layout.root))
    path = copy.folder / f"{copy.name}.mp4"
    made = {"by": "affine", "matrix": matrix.tolist(), "mode": settings.mode, "seed": seed}
    warped = (warp(picture, matrix, settings.border) for picture in pictures)
    write_video(path, warped, parent.fps, provenance(parent.clip, made))
    return replace(
        parent,
        clip=copy.name,
        set=copy.set_name,
        parent=parent.clip,
        path=(Layout().augmented(copy.set_name) / path.name).as_posix(),
        sha256=sha256_of(path),
        content="",
        made=compact_json(made),
    )


def warp(picture: Planes, matrix: Matrix, border: str) -> Planes:
    """Move the pixels of a picture by a 2 x 3 matrix in pixels, bilinear; its size stays.

    Plane by plane: half as many values as RGB has, and no rounding on the way there and back.
    """
    halved = matrix.copy()  # a colour sample c lies at pixel 2c + 1/2
    halved[:, 2] = (matrix @ [0.5, 0.5, 1] - 0.5) / 2
    moved = (
        cv2.warpAffine(plane, way, plane.shape[::-1], borderMode=BORDERS[border], borderValue=black)
        for plane, way, black in zip(picture, (matrix, halved, halved), BLACK, strict=True)
    )
    return Planes(*moved)
