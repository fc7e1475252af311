"""The page in a real browser, by keyboard: players in step on exact frames, filters, notes, widths and contrast."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.browser import CHROMIUM, Browser
from browsable import params_of
from calse.browse.browse import browse
from calse.corpus.corrections import correct, print_outcomes
from calse.corpus.importing import import_folder
from calse.corpus.ingest import ingest
from calse.corpus.raw import read_index
from calse.data.paths import Layout
from calse.video.ours.read import read_frames
from videos import write_clip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
PIXELS = """(tile => { const canvas = new OffscreenCanvas(48, 48), context = canvas.getContext("2d");
context.drawImage(tile.video, 0, 0); return [...context.getImageData(0, 0, 48, 48).data] })(player.stage.tiles[%d])"""
SHOWN = "player.stage.tiles.map(tile => tile.frame)"
SEEN = "[...document.querySelectorAll('#grid li:not([hidden]) .card')].map(card => card.clip.id)"
# Text against what lies under it, by WCAG 2.2: 4.5, or 3 from 24 pixels on, from 18.66 in bold.
CONTRAST = """(() => {
const numbers = colour => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = rgb => [.2126, .7152, .0722].reduce((sum, weight, i) => sum + weight * linear(rgb[i] / 255), 0);
const under = element => {
  const stack = [];
  for (let e = element; e; e = e.parentElement) stack.unshift(numbers(getComputedStyle(e).backgroundColor));
  return stack.reduce((below, [...c]) => below.map((v, i) => c[i] * c[3] + v * (1 - c[3])), [255, 255, 255]);
};
const written = e => e.checkVisibility() && !e.matches(":disabled")
  && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
return [...document.querySelectorAll("body *")].filter(written).map(e => {
  const style = getComputedStyle(e), size = parseFloat(style.fontSize);
  const [a, b] = [light(numbers(style.color)), light(under(e))].sort((x, y) => y - x);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  return [(a + .05) / (b + .05) / (large ? 3 : 4.5), e.outerHTML.slice(0, 80)];
}).filter(([share]) => share < 1); })()"""
# Every frame shown while it plays is counted, with how far the furthest other version is from it.
APART = """window.apart = []; window.loops = 0; const drawn = drawTile;
drawTile = (tile, frame) => {
  drawn(tile, frame);
  const frames = player.stage.tiles.map(t => t.frame);
  if (player.playing && frame === 0 && tile === player.stage.master) loops++;
  if (player.playing && frame > 1) apart.push(Math.max(...frames) - Math.min(...frames));
}"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser for tests that need no window or profile of their own."""
    with Browser(tmp_path_factory.mktemp("profile"), same_origin=True) as browser:
        yield browser


def still(browser, number):
    """Stop the player on a frame."""
    browser.value(f"(async () => {{ if (player.playing) await pause(); await goTo({number}); }})()")
    browser.until(f"{SHOWN}.every(frame => frame === {number})")


def test_stepping_shows_exactly_that_frame_of_every_version(page, layout, browser):
    files = [
        layout.clips("INTERPRETER") / "INTERPRETER-NO-1.mp4",
        *(layout.augmented(name) / f"{name}-INTERPRETER-NO-1-1.mp4" for name in ("AF1", "DF-1")),
    ]
    frames = [read_frames(path).astype(int) for path in files]
    browser.open(page.as_uri() + "#clip=INTERPRETER-NO-1")
    browser.until("player.stage && player.stage.tiles.every(tile => tile.video.readyState === 4)")
    still(browser, 0)
    for number in range(12):
        for place, truth in enumerate(frames):
            pixels = np.array(browser.value(PIXELS % place)).reshape(48, 48, 4)[..., :3]
            errors = np.abs(truth - pixels).mean(axis=(1, 2, 3))
            assert errors.argmin() == number
            assert errors[number] < 3, "the same picture but for how colours are converted"
        browser.press(".")
        browser.until(f"{SHOWN}.every(frame => frame === {min(number + 1, 11)})")
    browser.press(",")
    browser.until(f"{SHOWN}.every(frame => frame === 10)")
    assert browser.value("at('time').textContent") == "frame 11 of 12, 0.40 s"
    assert browser.errors == []


def test_versions_play_in_step_in_a_loop_and_stop_on_one_frame(page, browser):
    browser.open(page.as_uri() + "#clip=INTERPRETER-NO-1")
    browser.value(APART)
    browser.until("apart.length > 40 && loops > 1")
    browser.press(" ")
    browser.until(f"!player.playing && new Set({SHOWN}).size === 1 && player.stage.tiles.every(t => !t.video.seeking)")
    assert browser.value("apart.toSorted((a, b) => a - b)[Math.floor(apart.length / 2)]") <= 1
    assert browser.value("player.stage.tiles.every(tile => tile.video.paused)")


def test_everything_can_be_reached_by_keyboard(page, layout, tmp_path):
    with Browser(tmp_path / "profile") as browser:
        browser.open(page.as_uri())
        browser.press("j")
        assert browser.until("current?.id") == browser.value(f"{SEEN}[0]")
        browser.press("j")
        browser.press("j")
        browser.press("k")
        assert browser.value("current.id") == browser.value(f"{SEEN}[1]") == "SACU-NO-1"
        assert browser.value("player.stage.other.gloss") == 2, "it was taken for SUR, which is shown beside"
        browser.until("document.querySelectorAll('.ten').length === 4")
        assert browser.value("document.querySelector('.ten').innerText").split("\n")[:3] == [
            "i3d Baseline: rank 3", "SUR", "70.0 %",
        ]  # fmt: skip
        for key, changed in (
            ("l", "at('overlay').checked"),
            ("r", "!at('loop').checked"),
            ("s", "at('speed').value === '0.5'"),
        ):
            browser.press(key)
            assert browser.value(changed)
        browser.press("f")
        browser.press("j")
        browser.press("c")
        browser.type("NO")
        browser.press("Escape")
        browser.press("/")
        browser.type("interpreter")
        assert browser.value(f"{SEEN}.length") == 3
        browser.press("Escape")
        assert browser.value("document.activeElement.classList.contains('card')")
        browser.press("j")
        assert browser.value("current.id") == "INTERPRETER-ANO-5079-1"
        rows = list(csv.DictReader(io.StringIO(browser.value("corrections()"))))
        assert [
            (row["clip"], row["gloss"], row["correction"], row["leave_out"], row["raw_sha256"]) for row in rows
        ] == [
            ("SACU-NO-1", "NO", "", "yes", "5" * 64),
            ("SACU-SUR-1", "SUR", "NO", "", "5" * 64),
        ]
        browser.open("about:blank#")
        browser.open(page.as_uri())
        assert browser.value("Object.keys(notes)") == ["SACU-NO-1", "SACU-SUR-1"], "notes outlast the page"
        assert browser.errors == []
        outside = [
            url for url in browser.fetched if not url.startswith(((layout.root / "data").as_uri(), "about:", "blob:"))
        ]
        assert outside == []


ADDRESSES = {
    "gloss=NO&source=SACU": ["SACU-NO-1"],
    "taken=SUR": ["SACU-NO-1"],
    "outcome=right": ["SACU-ANO-5079-1"],
    "outcome=right&recipe=i3d AF1": ["SACU-ANO-5079-1", "SACU-SUR-1"],
    "set=DF-1&gloss=SUR": ["INTERPRETER-SUR-1"],
    "flag=*": ["SACU-ANO-5079-1", "SACU-NO-1", "INTERPRETER-ANO-5079-1"],
    "flag=no face found": ["SACU-ANO-5079-1"],
}


def test_an_address_filters_and_opens_its_first_clip(page, browser):
    browser.open(page.as_uri())
    assert browser.value(f"{SEEN}.length") == 9
    for address, clips in ADDRESSES.items():
        browser.value(f"location.hash = '{address}'")
        browser.until(f"JSON.stringify({SEEN}) === '{json.dumps(clips, separators=(',', ':'))}'")
        assert browser.value("current.id") == clips[0]
    browser.value("location.hash = 'clip=STS-NO-1'")
    browser.until("current.id === 'STS-NO-1'")


def test_who_is_not_to_be_shown_is_drawn_and_moves(layout, browser):
    params = params_of()
    sources = {name: replace(one, show=False) for name, one in params.corpus.sources.items()}
    browse(replace(params, corpus=replace(params.corpus, sources=sources)), layout)
    drawn = """(({canvas}) => [...canvas.getContext("2d").getImageData(0, 0, 48, 48).data].filter((v, i) => i % 4 === 3
      && v > 0).map(() => 1).length)(player.stage.tiles[0])"""
    column = """(({canvas}) => [...canvas.getContext("2d").getImageData(0, 20, 48, 1).data].findIndex((v, i) =>
      i % 4 === 3 && v > 0) >> 2)(player.stage.tiles[0])"""
    browser.open(layout.browser().as_uri() + "#clip=INTERPRETER-NO-1")
    assert browser.until(drawn) > 10
    assert browser.value("document.querySelectorAll('video').length") == 0
    browser.until("player.frame > 2")
    browser.value("pause()")
    assert browser.value(column) - browser.value("player.frame") in (9, 10, 11), "the hand moves a pixel a frame"
    assert browser.errors == []


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone_and_can_be_read_in_light_and_dark(page, tmp_path, dark):
    with Browser(tmp_path / "profile", width=390, dark=dark) as browser:
        browser.open(page.as_uri() + "#clip=SACU-NO-1")
        browser.until("document.querySelectorAll('.ten').length === 4")
        browser.value("at('filters').open = true; takeNote({flag: true})")
        assert browser.value("document.documentElement.scrollWidth") == 390
        assert browser.value(CONTRAST) == []
        assert browser.value(
            "[...document.querySelectorAll('input, select')].every(e => e.labels.length || e.ariaLabel)"
        )


def test_what_is_noted_in_the_browser_corrects_the_import(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layout, videos = Layout(), tmp_path / "videos"
    for number, gloss in enumerate(("NO", "SUR", "AÑO")):
        write_clip(videos / gloss / "a.mp4", seed=number)
    import_folder(videos, layout, "toy", "SACU")
    params = params_of()
    params = replace(params, corpus=replace(params.corpus, name="toy"), omit=(), test_sources=("SACU",))
    ingest(params, layout, "SACU")
    browse(params, layout)
    with Browser(tmp_path / "profile") as browser:
        browser.open(layout.browser().absolute().as_uri() + "#clip=SACU-NO-1")
        browser.until("details.has('SACU-NO-1')")
        browser.press("c")
        browser.type("SUR")
        browser.press("Escape")
        browser.value("location.hash = 'clip=SACU-ANO-5079-1'")
        browser.until("current.id === 'SACU-ANO-5079-1' && details.has(current.id)")
        browser.press("f")
        Path("corrections.csv").write_text(browser.value("corrections()"), encoding="utf-8")
    print_outcomes(correct(layout, Path("corrections.csv"), [], []))
    assert [(video.gloss, video.take) for video in read_index(layout.raw("toy") / "SACU")] == [("SUR", 1), ("SUR", 2)]
