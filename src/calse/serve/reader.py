"""What reads the clips of the page: processes that wait, started and warm, for one clip each."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calse.recognition.predict import InputRequest, Predictor, VideoInput, read_input
from calse.runtime.executor import worker_count
from calse.runtime.sandbox import Refused, Sandbox
from calse.video.ours.encode import write_video

if TYPE_CHECKING:  # else each of the processes would load torch
    from calse.recognition.lookup import KnownSigns

SECONDS = 60  # of CPU time that reading one clip may take


class Reader:
    """Reads clips for models, each clip in processes that have met no other: a hostile one finds and leaves nothing.

    Starting them takes longer than a second, so those of the next clip are started before it comes.
    """

    def __init__(self, models: "Sequence[Predictor | KnownSigns]") -> None:
        self._models = models
        self._next = self._started()

    def read(self, clip: Path) -> list[VideoInput | Refused]:
        """Return what each model needs of a clip, or why there is nothing."""
        sandbox = self._next
        try:
            return sandbox.map([model.request(clip) for model in self._models], "read")
        finally:
            sandbox.stop()
            self._next = self._started()

    def _started(self) -> Sandbox[InputRequest, VideoInput]:
        """Return processes that are about to be ready."""
        prepare = partial(rehearse, [model.request(Path()) for model in self._models])
        sandbox = Sandbox(read_input, SECONDS, min(worker_count(), len(self._models)), prepare)
        sandbox.start()
        return sandbox


def rehearse(models: Sequence[InputRequest]) -> None:
    """View a clip of ours as each model does: what the first view imports and loads is there for the next."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write_video(clip, np.zeros((2, 64, 64, 3), np.uint8), 25)
        for model in models:
            with suppress(Exception):  # it shows nobody; what else is wrong is found and named again with a real clip
                read_input(replace(model, video=clip))
