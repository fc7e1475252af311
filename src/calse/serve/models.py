"""What is said of a clip on the page; all of it is loaded before the first clip comes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calse.data.paths import Layout
from calse.faceswap.anonymise import Swapper, line_of
from calse.recognition.lookup import LANDMARKS, KnownSigns, load_signs
from calse.recognition.predict import Predictor, load_predictor
from calse.runtime.errors import CalseError
from calse.runtime.sandbox import Refused
from calse.serve.reader import SECONDS, Reader
from calse.video.untrusted.copy import Copier, Foreign

LONGEST = 60  # seconds of a clip that is anonymised: it is worked on in memory while the next one waits


@dataclass(frozen=True)
class Models:
    """Checkpoints and an index by the names that the page gives them, and what puts a donor's face on."""

    loaded: list[tuple[str, Predictor | KnownSigns]]
    reader: Reader | None
    swapper: Swapper | None

    def predictions(self, clip: Path) -> list[dict[str, Any]]:
        """Return a clip's best glosses by each checkpoint, and its nearest signs by the index.

        Each is what `predict --json` or `lookup --json` says, with `by`. Raises CalseError when none could be made,
        with the reason.
        """
        if self.reader is None:
            raise CalseError("no model is named: calse serve --model CHECKPOINT, or --index INDEX")
        found = self.reader.read(clip)
        reasons = [one.reason for one in found if isinstance(one, Refused)]
        if len(reasons) == len(found):
            raise CalseError("; ".join(dict.fromkeys(reasons)))
        results = []
        for (name, one), read in zip(self.loaded, found, strict=True):
            (result,) = one.results([clip], [read])
            said = result.plain()
            del said["video"]  # a path of ours
            results.append({"by": name, **said})
        return results

    def anonymised(self, clip: Path) -> tuple[bytes, dict[str, Any]]:
        """Return a copy of a clip with the donor's face, and what `anonymise` says of it.

        `exposed` lists every way in which somebody may still be recognised. Raises CalseError when there is no copy.
        """
        if self.swapper is None:
            raise CalseError("no donor is named: calse serve --donor-video VIDEO")
        job = Foreign(clip, clip.with_name("read.mp4"))
        with Copier(SECONDS) as copier:
            copy = copier.start(job)
            times = copy.times()
            if not isinstance(times, Refused) and times.seconds[-1] > LONGEST:
                raise CalseError(f"lasts over {LONGEST} seconds; the command calse anonymise takes any length")
            result = self.swapper.result(copy, clip.with_name("anonymised.mp4"))
        if result.refused:
            raise CalseError(result.refused)
        says = line_of(replace(result, target=Path(result.target.name), exposed=()))
        return result.target.read_bytes(), {"says": says, "exposed": list(result.exposed)}


def load_models(checkpoints: Sequence[Path], index: Path | None, swapper: Swapper | None, layout: Layout) -> Models:
    """Load what was named. Raises CalseError when that is nothing, or naming a file that is missing or damaged."""
    if not checkpoints and index is None and swapper is None:
        raise CalseError("name what a clip is answered with: --model, --index, --donor-video or --donor")
    loaded: list[tuple[str, Predictor | KnownSigns]] = []
    for path in checkpoints:
        predictor = load_predictor(path)
        loaded.append((str(path), predictor))
        if predictor.info["recogniser"] == LANDMARKS:
            load_signs(path, layout).warm_up()
    if index is not None:
        signs = load_signs(index, layout)
        signs.warm_up()
        loaded.append((str(index), signs))
    return Models(loaded, Reader([one for _, one in loaded]) if loaded else None, swapper)
