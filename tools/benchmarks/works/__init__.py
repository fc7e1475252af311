"""The works, by name: each sets up a race."""

from collections.abc import Callable

from benchmarks.race import Race, Setting
from benchmarks.works import clips, faces, limits, pipeline, recognition

WORKS: dict[str, Callable[[Setting], Race]] = {
    "machine": limits.machine,
    "i3d-112": recognition.i3d_112,
    "i3d-224": recognition.i3d_224,
    "i3d-small": recognition.i3d_small,
    "loader": recognition.loader,
    "loader-workers": recognition.loader_workers,
    "affine": clips.affine,
    "affine-workers": clips.affine_workers,
    "affine-1080p": clips.affine_1080p,
    "ingest": clips.ingest,
    "faces": faces.faces,
    "swap-step": faces.swap_step,
    "convert": faces.convert,
    "synthesise": pipeline.synthesise,
    "repro-again": pipeline.repro_again,
}
