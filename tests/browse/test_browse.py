"""The folder that `calse browse` writes: what is in it, and who is never shown."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from browsable import params_of
from calse.browse.browse import browse
from calse.browse.skeleton import NOWHERE, STEPS, drawing, points_text
from calse.landmarks.record import no_landmarks
from calse.runtime.errors import CalseError


def read_study(layout):
    text = (layout.browser().parent / "study.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("const study = ").removesuffix(";\n"))


def read_clip(layout, clip):
    text = (layout.browser().parent / f"clips/{clip}.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix(f"loaded({json.dumps(clip)}, ").removesuffix(");\n"))


def all_text(layout):
    return "".join(path.read_text(encoding="utf-8") for path in sorted(layout.browser().parent.rglob("*.*")))


def test_every_clip_is_listed_with_its_versions_its_flags_and_what_it_was_taken_for(layout):
    said = browse(params_of(), layout)
    study = read_study(layout)
    assert said == "9 clips, predictions of 2 trainings"
    assert study["trainings"] == [["i3d", "Baseline", 1], ["i3d", "AF1", 1]]
    by_id = {clip["id"]: clip for clip in study["clips"]}
    assert len(by_id) == 9
    tested = by_id["SACU-NO-1"]
    assert [version["set"] for version in tested["versions"]] == ["face blurred"]
    assert [study["glosses"][gloss] for gloss in tested["first"]] == ["SUR", "SUR"]
    assert tested["flags"] == ["gate: hands are found"]
    assert by_id["SACU-ANO-5079-1"]["flags"] == ["no face found"]
    theirs = by_id["INTERPRETER-ANO-5079-1"]
    assert [version["set"] for version in theirs["versions"]] == ["AF1", "DF-1"]
    assert theirs["flags"] == ["DF-1: expression kept least"]
    assert "first" not in theirs
    for clip in study["clips"]:
        for version in (clip, *clip.get("versions", [])):
            assert (layout.browser().parent / version["video"]).is_file()


def test_a_clips_own_script_has_every_prediction_landmarks_and_where_copies_moved_them(layout):
    browse(params_of(), layout)
    glosses = read_study(layout)["glosses"]
    rows = read_clip(layout, "SACU-SUR-1")["predictions"]
    assert [(number, test_set, rank) for number, test_set, rank, _ in rows] == [
        (0, "filmed", 3), (0, "omitted", 3), (1, "filmed", 1), (1, "omitted", 1),
    ]  # fmt: skip
    assert [(glosses[gloss], chance) for gloss, chance in rows[0][3]] == [("NO", 0.7), ("AÑO", 0.2), ("SUR", 0.1)]
    moved = read_clip(layout, "INTERPRETER-NO-1")["moved"]
    assert moved == {
        "AF1-INTERPRETER-NO-1-1": [1, 0, 4, 0, 1, 0],
        "DF-1-INTERPRETER-NO-1-1": [1, 0, 0, 0, 1, 0],
    }


def test_points_are_written_in_quarters_of_a_pixel_and_what_was_not_found_stays_nowhere():
    found = no_landmarks(2)
    found.hands[1, 1] = np.column_stack([np.linspace(-3, 400, 21), np.full(21, 7.3), np.zeros(21)])
    points = np.frombuffer(base64.b64decode(points_text(found)), "<i2").reshape(2, drawing()["points"], 2)
    right = sorted({point for line in drawing()["right"] for point in line})
    assert (points[0] == NOWHERE).all()
    assert np.allclose(points[1, right] / STEPS, found.hands[1, 1, :, :2], atol=0.5 / STEPS)
    assert (np.delete(points[1], right, axis=0) == NOWHERE).all()


def test_equal_studies_give_equal_folders_that_name_no_place_and_fetch_nothing(layout):
    browse(params_of(), layout)
    text = all_text(layout)
    browse(params_of(), layout)
    assert all_text(layout) == text
    assert str(layout.root) not in text
    assert not re.findall(r"https?://|fetch\(|@import|url\(", text)


def test_videos_are_linked_neither_copied_nor_inlined(layout):
    browse(params_of(), layout)
    assert {path.suffix for path in layout.browser().parent.rglob("*.*")} == {".html", ".css", ".js"}
    assert "data:video" not in all_text(layout)


def withheld(params, *sources):
    changed = {name: replace(one, show=name not in sources) for name, one in params.corpus.sources.items()}
    return replace(params, corpus=replace(params.corpus, sources=changed))


def test_who_is_not_to_be_shown_is_there_as_landmarks_alone_in_copies_too(layout):
    said = browse(withheld(params_of(), "INTERPRETER"), layout)
    assert said.endswith("; 3 clips as landmarks only: not to be shown")
    assert not re.findall(r"\.\./[^\"]*INTERPRETER", all_text(layout))
    assert read_clip(layout, "INTERPRETER-NO-1")["points"]
    assert "../clips/SACU/SACU-NO-1.mp4" in all_text(layout)


def test_a_donor_who_is_not_to_be_shown_is_in_no_swapped_clip(layout):
    browse(withheld(params_of(), "DONOR-1"), layout)
    text = all_text(layout)
    assert "../clips/INTERPRETER/INTERPRETER-NO-1.mp4" in text
    assert "../augmented/AF1/" in text
    assert "../augmented/DF-1/" not in text


def test_a_study_without_predictions_or_landmarks_can_be_looked_at(layout):
    for folder in ("metrics", "data/landmarks"):
        (layout.root / folder).rename(layout.root / f"{folder}-gone")
    assert browse(params_of(), layout) == "9 clips, predictions of 0 trainings"
    assert read_clip(layout, "SACU-NO-1")["predictions"] == []


def test_a_clip_that_is_missing_is_named_and_the_former_folder_stays(layout):
    browse(params_of(), layout)
    (layout.augmented("AF1") / "AF1-INTERPRETER-NO-1-1.mp4").unlink()
    with pytest.raises(CalseError, match="clip AF1-INTERPRETER-NO-1-1: .* is missing; `dvc checkout`"):
        browse(params_of(), layout)
    assert layout.browser().is_file()


def test_predictions_of_other_clips_are_refused_by_name(layout):
    table = layout.metrics("evaluate") / "i3d/AF1/predictions.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("SACU-NO-1", "SACU-GONE-1"), encoding="utf-8")
    with pytest.raises(CalseError, match=r"i3d/AF1/predictions.csv is not of these clips \('SACU-GONE-1'\)"):
        browse(params_of(), layout)
