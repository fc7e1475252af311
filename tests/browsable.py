"""A study of moving squares to look at: two tested sources, an affine and a swapped set, blurred clips, predictions."""

from dataclasses import replace

import numpy as np

from calse.config.params import check_params
from calse.data.clips import compact_json
from calse.data.manifests import write_manifest, write_rows
from calse.data.splits import read_split
from calse.landmarks.record import no_landmarks, write_landmarks
from calse.runtime.files import write_json
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames
from toys import make_repository, toy_tree

RAW = {"SACU": "5" * 64, "STS": "7" * 64, "INTERPRETER": "1" * 64}


def params_of(**sections):
    tree = toy_tree()
    tree["recipes"] = {"Baseline": [], "AF1": ["AF1"]}
    return check_params(tree | sections)


def hands_up(frames):
    """Landmarks of a clip: the left hand is a line that moves right, a pixel a frame; there is no face."""
    found = no_landmarks(frames)
    for number in range(frames):
        found.hands[number, 0, :, 0] = 10 + number + np.arange(21)
        found.hands[number, 0, :, 1:] = 20
    return found


def made(layout, clip, set_name, facts, change):
    """A clip that is generated from another one, in a file of its own."""
    folder = layout.augmented(set_name)
    path = folder / f"{set_name}-{clip.clip}-1.mp4"
    folder.mkdir(parents=True, exist_ok=True)
    write_video(path, change(read_frames(layout.root / clip.path)), clip.fps)
    return clip.child(path, set_name, facts)


def write_predictions(layout, recipe, tested, blurred):
    """AÑO is right, NO is taken for SUR, SUR is right in AF1 alone."""
    first = {"AÑO": "AÑO", "NO": "SUR", "SUR": "SUR" if recipe == "AF1" else "NO"}
    rows = []
    for test_set, clips in (("filmed", tested), ("omitted", blurred)):
        for clip in clips:
            others = sorted({"AÑO", "NO", "SUR"} - {first[clip.gloss]})
            row = {"test_source": "SACU", "seed": 1, "test_set": test_set, "clip": clip.clip, "gloss": clip.gloss}
            row |= {"rank": [first[clip.gloss], *others].index(clip.gloss) + 1}
            for place, gloss in enumerate([first[clip.gloss], *others], start=1):
                row |= {f"gloss_{place}": gloss, f"probability_{place}": [0.7, 0.2, 0.1][place - 1]}
            rows.append(row)
    write_rows(layout.metrics("evaluate") / "i3d" / recipe / "predictions.csv", list(rows[0]), rows)


def make_study(root):
    """Write all of it below a folder."""
    layout = make_repository(root, takes=1)
    clips = [
        replace(c, made=compact_json({"raw_sha256": RAW[c.source]})) for c in read_split(layout.split("Baseline")).clips
    ]
    for source in RAW:
        write_manifest(layout.source_manifest(source), [clip for clip in clips if clip.source == source])
    theirs = [clip for clip in clips if clip.source == "INTERPRETER"]
    moved = {"by": "affine", "matrix": [[1, 0, 4], [0, 1, 0]]}
    swapped = {"by": "swap", "donor": "DONOR-1"}
    write_manifest(
        layout.set_manifest("AF1"), [made(layout, c, "AF1", moved, lambda f: np.roll(f, 4, axis=2)) for c in theirs]
    )
    write_manifest(layout.set_manifest("DF-1"), [made(layout, c, "DF-1", swapped, lambda f: 255 - f) for c in theirs])
    tested = [clip for clip in clips if clip.source == "SACU"]
    blurred = [made(layout, c, "OMIT-SACU", {"by": "omit"}, lambda f: f // 2) for c in tested]
    write_manifest(layout.omitted_manifest("SACU"), blurred)
    for clip in clips:
        write_landmarks(layout.landmarks(clip.source) / f"{clip.clip}.npz", hands_up(clip.frames))
    write_json(layout.metrics("landmarks") / "SACU.json", {"clips_without_face": [tested[0].clip]})
    check = {"text": "hands are found", "offenders": [{"clip": tested[1].clip, "value": 0}]}
    write_json(layout.metrics("validate") / "SACU.json", {"outcomes": [check]})
    write_json(layout.metrics("swap") / "DF-1.json", {"least_kept": [f"DF-1-{theirs[0].clip}-1"]})
    for recipe in ("Baseline", "AF1"):
        write_predictions(layout, recipe, tested, blurred)
    return layout
