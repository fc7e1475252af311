"""The command `browse`: every clip, every version of it and every prediction in one folder that opens from disk."""

import json
import shutil
from pathlib import Path
from typing import Any

from calse.browse.clips import OMITTED, Shown, shown_clips
from calse.browse.predictions import Predictions, predictions_of
from calse.browse.skeleton import drawing, points_text
from calse.config.params import Params, SwapSet
from calse.data.clips import Clip
from calse.data.consent import Consent, read_consent
from calse.data.paths import Layout
from calse.landmarks.record import read_landmarks
from calse.report.page.page import stylesheet
from calse.runtime.errors import counted
from calse.runtime.files import atomic_folder, write_text

PAGE = Path(__file__).with_name("page")


def browse(params: Params, layout: Layout) -> str:
    """Write data/browse: a page, its script, `study.js` with what the grid lists, and a small script a clip that is
    loaded when the clip is looked at. Videos are linked, never copied; equal inputs give equal bytes. Return a sentence
    on what there is.

    Raises CalseError naming what is missing, damaged or has changed.
    """
    clips = shown_clips(params, layout)
    predictions = predictions_of(params, layout, clips)
    consent = read_consent(params, layout)
    with atomic_folder(layout.browser().parent) as folder:
        for file in sorted(PAGE.iterdir()):
            shutil.copyfile(file, folder / file.name)
        write_text(folder / "page.css", stylesheet())
        write_text(folder / "study.js", f"const study = {_lines(_study(params, clips, predictions, consent))};\n")
        (folder / "clips").mkdir()
        for one in clips:
            details = _compact(_details(layout, one, predictions))
            write_text(folder / "clips" / f"{one.clip.clip}.js", f"loaded({_compact(one.clip.clip)}, {details});\n")
    hidden = sum(not may_show(consent, one.clip) for one in clips)
    return f"{counted(len(clips), 'clip')}, predictions of {counted(len(predictions.trainings), 'training')}" + (
        f"; {counted(hidden, 'clip')} as landmarks only: not to be shown" if hidden else ""
    )


def may_show(consent: Consent, clip: Clip) -> bool:
    """Say whether the people of a clip may be shown: who signs in it, and the donor of the face."""
    donor = clip.details.get("donor")
    return consent.permits(clip, "show") and donor not in consent.denied_sources("show")


def _study(params: Params, clips: list[Shown], predictions: Predictions, consent: Consent) -> dict[str, Any]:
    """Return what the grid and the filters need: names, trainings, and a record a clip."""
    kinds = {name: "swapped" if isinstance(one, SwapSet) else one.kind for name, one in params.sets.items()}
    return {
        "corpus": params.corpus.name,
        "glosses": predictions.glosses,
        "sets": kinds | {OMITTED: "blurred"},
        "trainings": predictions.trainings,
        "drawing": drawing(),
        "clips": [_record(one, predictions, consent) for one in clips],
    }


def _record(one: Shown, predictions: Predictions, consent: Consent) -> dict[str, Any]:
    """Return a clip as the grid lists it; what is empty is left out."""
    clip = one.clip
    record = {
        **_version("original", clip, consent),
        "gloss": predictions.glosses.index(clip.gloss),
        "source": clip.source,
        "signer": clip.signer,
        "take": clip.take,
        "size": [clip.width, clip.height],
        "fps": clip.fps,
        "first": predictions.first(clip.clip),
        "flags": one.flags,
        "versions": [_version(name, version, consent) for name, version in one.versions],
    }
    return {name: value for name, value in record.items() if value not in ([], "")}


def _version(name: str, clip: Clip, consent: Consent) -> dict[str, Any]:
    """Return a video as the player needs it; `video` is relative to the page and missing where nobody may look."""
    video = {"video": f"../{Path(clip.path).relative_to('data').as_posix()}"} if may_show(consent, clip) else {}
    return {"set": name, "id": clip.clip, "frames": clip.frames} | video


def _details(layout: Layout, one: Shown, predictions: Predictions) -> dict[str, Any]:
    """Return what is shown of a clip once somebody looks at it."""
    path = layout.landmarks(one.clip.source) / f"{one.clip.clip}.npz"
    return {
        "raw": one.clip.details.get("raw_sha256", ""),
        "predictions": predictions.rows.get(one.clip.clip, []),
        "moved": {v.clip: matrix for _, v in one.versions if (matrix := _matrix(v)) is not None},
        "points": points_text(read_landmarks(path)) if path.is_file() else "",
    }


def _matrix(version: Clip) -> list[float] | None:
    """Return where a version's pixels went, row by row: nowhere but in an affine copy; None when nobody knows."""
    made = version.details
    if made["by"] in ("swap", "omit"):
        return [1, 0, 0, 0, 1, 0]
    return [round(value, 5) for row in made["matrix"] for value in row] if "matrix" in made else None


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _lines(study: dict[str, Any]) -> str:
    """Return the study as JSON with a line for every clip, so that a person can read and search it."""
    head = {name: value for name, value in study.items() if name != "clips"}
    clips = ",\n".join(map(_compact, study["clips"]))
    return f'{_compact(head)[:-1]},"clips":[\n{clips}\n]}}'
