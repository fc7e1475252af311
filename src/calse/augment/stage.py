"""The stage `augment`: clips generated from clips, as the kind of an augmentation set makes them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from calse.augment.registry import AugmentationSet, kind_of
from calse.config.params import Params
from calse.data.clips import Clip, choose, provenance, seed_of
from calse.data.manifests import read_manifest, verify, write_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.executor import map_parallel
from calse.runtime.files import atomic_folder
from calse.runtime.memo import resumable
from calse.video.ours.encode import write_video
from calse.video.ours.planes import Planes
from calse.video.ours.read import iterate_planes


@dataclass(frozen=True)
class Copy:
    """One clip to make: the parent, the set that it joins, and where its file is written and will be read."""

    parent: Clip
    set_name: str
    options: AugmentationSet
    number: int
    folder: Path
    layout: Layout


def augment(params: Params, layout: Layout, set_name: str) -> None:
    """Make an augmentation set and its manifest. Raises CalseError for an unknown set or a damaged parent clip."""
    if set_name not in params.augment:
        known = ", ".join(params.augment) or "none"
        raise CalseError(f"augment.{set_name} is not in params.yaml; its sets are: {known}")
    options = params.augment[set_name]
    clips = [clip for name in params.sources_of(options.of) for clip in read_manifest(layout.source_manifest(name))]
    parents = choose(clips, options.clips_per_gloss, options.seed)
    with resumable(make_copy, f"augment-{set_name}") as make:
        with atomic_folder(layout.augmented(set_name)) as folder:
            copies = [
                Copy(parent, set_name, options, number, folder, layout)
                for parent in parents
                for number in range(1, options.copies + 1)
            ]
            made = map_parallel(make, copies, f"augment {set_name}")
        write_manifest(layout.set_manifest(set_name), made)


def make_copy(copy: Copy) -> Clip:
    """Make one clip into a file and return its record."""
    cv2.setNumThreads(1)
    parent, options = copy.parent, copy.options
    kind = kind_of(options.kind)
    seed = seed_of(options.seed, parent.clip, copy.number)
    made = {"by": options.kind, "seed": seed}
    if hasattr(kind, "facts"):
        made |= kind.facts(parent, options, np.random.default_rng(seed))
    frames = kind.make(iterate_planes(verify(parent, copy.layout.root)), options, np.random.default_rng(seed))
    sizes: list[tuple[int, int]] = []

    def measured(frames: Iterable[Planes | np.ndarray]) -> Iterator[Planes | np.ndarray]:
        """Pass frames on and note the size of each."""
        for frame in frames:
            sizes.append((frame.luma if isinstance(frame, Planes) else frame).shape[:2])
            yield frame

    path = copy.folder / f"{copy.set_name}-{parent.clip}-{copy.number}.mp4"
    write_video(path, measured(frames), parent.fps, provenance(parent.clip, made))
    height, width = sizes[0]
    return replace(parent.child(path, copy.set_name, made), frames=len(sizes), height=height, width=width)
