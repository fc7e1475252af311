"""The same panel in a PNG and on the page: every mark says in words what it shows, in the colours of the page."""

import re
from xml.etree import ElementTree

import pandas as pd
import pytest

from calse.report.plots import Interval, accuracy_picture, curve_svg, interval_svg, source_colours

PLACES = r'points</title><path d="M ([\d.]+) [\d.]+ L ([\d.]+) .*?<use href="#\w+" x="([\d.]+)"'
ROWS = [
    Interval("AF1", 12, -3, 30, "AF1: +12 points", "good"),
    Interval("a recipe with a long name", -5, -20, 8, 'worse <&> "so"', "bad"),
]


def marks(svg):
    """The words of every mark with the colour it is drawn in."""
    tree = ElementTree.fromstring(svg)
    found = [group for group in tree.iter("g") if group.find("title") is not None]
    colours = [re.search(r"stroke: var\(--(\w+)\)", ElementTree.tostring(group).decode())[1] for group in found]
    return list(zip((group.find("title").text for group in found), colours, strict=True))


def test_an_interval_on_the_page_says_what_it_shows_in_the_pages_own_colours():
    svg = interval_svg("Changes", ROWS, (-40, 40))
    assert set(marks(svg)) == {("AF1: +12 points", "good"), ('worse <&> "so"', "bad")}
    assert not re.findall(r"#[0-9a-f]{6}", svg), "a colour that a dark page would not change"
    assert "a recipe with a lon…" in svg
    assert svg == interval_svg("Changes", ROWS, (-40, 40))
    low, high, dot = (float(x) for x in re.search(PLACES, svg).groups())
    assert (dot - low) / (high - low) == pytest.approx((12 - -3) / (30 - -3), abs=1e-4)


def test_a_curve_on_the_page_says_whose_it_is():
    curves = pd.DataFrame(
        {"test_source": ["SACU"] * 3 + ["STS"] * 3, "seed": 1, "epoch": [1, 2, 3] * 2, "loss": [3, 2, 1] * 2}
    )
    svg = curve_svg("loss", curves, "loss", source_colours(curves), (3, 3))
    assert marks(svg) == [("SACU held out, seed 1", "c0"), ("STS held out, seed 1", "c1")]


def test_names_with_dollars_are_names_and_equal_numbers_give_equal_bytes(tmp_path):
    table = pd.DataFrame({"recipe": ["Baseline", "$x$"], "test_source": "A$B$", "k": 1, "accuracy": [0.5, 0.7]})
    table = table.assign(recogniser="i3d", low=0.2, high=0.9)
    written = []
    for name in ("one.png", "two.png"):
        accuracy_picture(table, 14, tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert ">$x$<" in interval_svg("x", [Interval("$x$", 1, 0, 2)], (0, 3))
