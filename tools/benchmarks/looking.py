"""The page of `calse browse` in a real browser: how large it is, when it paints first, how soon the next clip plays."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.browser import CHROMIUM, Browser
from benchmarks.machine import describe_machine
from benchmarks.material import filmed, preset, write_clip
from calse.browse.browse import browse
from calse.data.clips import compact_json
from calse.data.manifests import write_manifest, write_rows
from calse.data.paths import Layout
from calse.landmarks.record import no_landmarks, write_landmarks
from calse.runtime.errors import CalseError

COLUMNS = ["what", "unit", "median", "highest", "n", "target", "machine"]
FILES, GLOSSES, FRAMES, SIDE = 20, 100, 40, 256  # videos that differ; more clips are links to them
RECIPES = 7
# Notes for every clip that a key brings how long it takes until it plays: the browser's own event.
WATCH = """window.took = []; addEventListener("keydown", () => {
  const pressed = performance.now();
  setTimeout(() => player.stage.tiles[0].video.addEventListener("playing",
    () => took.push(performance.now() - pressed), {once: true}), 0);
}, true)"""


def measure_page(clips: int, opened: int, moves: int, path: Path) -> None:
    """Write a study of so many clips, each with two versions, open its page afresh a few times, go on by key each time;
    write the table. Raises CalseError where there is no Chromium.
    """
    if CHROMIUM is None:
        raise CalseError("there is no Chromium here; install it from the system's packages")
    paints: list[float] = []
    nexts: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        layout = prepare(Path(folder), clips)
        page = layout.browser()
        for number in range(opened):
            with Browser(Path(folder) / f"profile-{number}") as browser:
                browser.open(page.as_uri())
                browser.until("performance.getEntriesByName('first-contentful-paint').length")
                paints.append(browser.value("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
                browser.press("j")
                browser.until("player.stage?.tiles[0].frame > 5")
                browser.value(WATCH)
                for done in range(1, moves + 1):
                    browser.press("j")
                    browser.until(f"took.length === {done}")
                    time.sleep(0.7)  # as somebody looks; meanwhile the neighbours are loaded
                nexts += browser.value("took")
        size = sum(file.stat().st_size for file in page.parent.glob("*.*")) / 1e6
    rows = [
        _row(f"page, {clips} clips", "MB", [size], 1),
        _row("first paint", "ms", paints, 500),
        _row("next clip plays", "ms", nexts, 100),
    ]
    write_rows(path, COLUMNS, rows)
    for row in rows:
        print(f"{row['what']}: {row['median']} {row['unit']}, {row['highest']} at most, of {row['n']}")


def _row(what: str, unit: str, values: list[float], target: float) -> dict[str, Any]:
    """Return a line of the table."""
    figures = {"median": f"{median(values):.3g}", "highest": f"{max(values):.3g}", "n": len(values)}
    return {"what": what, "unit": unit, **figures, "target": f"<={target}", "machine": describe_machine()}


def prepare(root: Path, count: int) -> Layout:
    """Write clips, an affine and a blurred version of each, landmarks and predictions of RECIPES; and the page."""
    layout, params = Layout(root), preset("synthetic")
    params = replace(params, recipes={f"R{n}": params.recipes["Baseline"] for n in range(RECIPES)})
    files = [write_clip(layout, f"FILE-{n}", filmed(FRAMES, SIDE)) for n in range(FILES)]
    found = no_landmarks(FRAMES)
    found.hands[:] = found.body[:] = found.face[:] = 100
    clips = [
        replace(files[n % FILES], clip=f"SACU-GLOSS-{n % GLOSSES}-{n // GLOSSES + 1}", gloss=f"GLOSS-{n % GLOSSES}")
        for n in range(count)
    ]
    matrix = compact_json({"by": "affine", "matrix": np.eye(2, 3).tolist()})
    affine = [replace(c, clip=f"AF2-{c.clip}", parent=c.clip, set="AF2", made=matrix) for c in clips]
    blurred = [replace(c, clip=f"OMIT-{c.clip}", parent=c.clip, made=compact_json({"by": "omit"})) for c in clips]
    write_manifest(layout.source_manifest("SACU"), clips)
    write_manifest(layout.set_manifest("AF2"), affine)
    write_manifest(layout.omitted_manifest("SACU"), blurred)
    for clip in clips:
        write_landmarks(layout.landmarks("SACU") / f"{clip.clip}.npz", found)
    best = {f"gloss_{place}": f"GLOSS-{place}" for place in range(1, 11)}
    best |= {f"probability_{place}": "0.1" for place in range(1, 11)}
    for recipe in params.recipes:
        rows = [
            {"test_source": "SACU", "seed": 1, "test_set": "filmed", "clip": c.clip, "gloss": c.gloss, "rank": 2} | best
            for c in clips
        ]
        write_rows(layout.metrics("evaluate") / "i3d" / recipe / "predictions.csv", list(rows[0]), rows)
    browse(params, layout)
    return layout
