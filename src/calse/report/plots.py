"""Pictures of intervals and learning curves: each panel is drawn by one function, into PNG files and into the page.

The page's SVG takes its colours from CSS variables, so that it follows a light or dark scheme, and says in words what
each mark shows. Equal numbers give equal bytes.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# The page's colours in its light scheme. Those of lines are Okabe and Ito's: distinct also for people who see fewer.
PALETTE = {
    "ink": "#1b1c1e", "soft": "#5c6066", "grid": "#c9c9c8", "bad": "#c0262d", "good": "#1a7f45",
    "c0": "#0072b2", "c1": "#d55e00", "c2": "#009e73", "c3": "#cc79a7", "c4": "#8a6d00", "c5": "#56b4e9",
    "c6": "#7a5cc0", "c7": "#777777",
}  # fmt: skip
STYLE = {
    "font.size": 9, "axes.edgecolor": PALETTE["grid"], "axes.labelcolor": PALETTE["ink"], "axes.axisbelow": True,
    "axes.titlesize": 10, "axes.spines.right": False, "axes.spines.top": False, "grid.color": PALETTE["grid"],
    "grid.linewidth": 0.6, "text.color": PALETTE["ink"], "xtick.color": PALETTE["soft"], "ytick.color": PALETTE["soft"],
    "xtick.bottom": False, "ytick.left": False, "svg.fonttype": "none", "svg.hashsalt": "calse",
    "text.parse_math": False,
}  # fmt: skip
PANEL, ROW = 340, 24  # width of a panel on the page and height of an interval in it, in CSS pixels
LABEL = 20  # letters of a name beside its interval
WORDS = "words: "  # starts the id of a mark that has words


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval, in percent or points; `words` say the same, `colour` is a name of PALETTE."""

    name: str
    value: float
    low: float
    high: float
    words: str = ""
    colour: str = "soft"


def draw_intervals(axis: Axes, rows: Sequence[Interval], reference: float) -> None:
    """Draw a dot and a line for each value, the first on top, and a dashed line at `reference`."""
    axis.axvline(reference, color=PALETTE["ink"], linestyle="--", linewidth=0.8)
    axis.grid(axis="x")
    for place, row in enumerate(rows):
        style: dict[str, Any] = {"color": PALETTE[row.colour], "clip_on": False, "solid_capstyle": "round"}
        axis.plot([row.low, row.high], [place, place], linewidth=2, gid=WORDS + row.words, **style)
        axis.plot([row.value], [place], "o", markersize=6, gid=WORDS + row.words, **style)
    axis.set_yticks(range(len(rows)), [row.name for row in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.spines["left"].set_visible(False)


def draw_curves(axis: Axes, curves: pd.DataFrame, name: str, colours: Mapping[str, str]) -> None:
    """Draw `name` by epoch, a line a training in the colour of its test source."""
    trainings: list[Any] = list(curves.groupby(["test_source", "seed"], sort=False))
    for (source, seed), rows in trainings:
        words = f"{WORDS}{source} held out, seed {seed}"
        axis.plot(rows["epoch"], rows[name], color=PALETTE[colours[source]], linewidth=1.3, gid=words, label=source)
    axis.grid()
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def source_colours(curves: pd.DataFrame) -> dict[str, str]:
    """Return the colour of every test source, by its name in PALETTE."""
    return {source: f"c{number % 8}" for number, source in enumerate(dict.fromkeys(curves["test_source"]))}


@mpl.rc_context(STYLE)
def accuracy_picture(table: pd.DataFrame, glosses: int, path: Path) -> None:
    """Write a PNG with a panel for each top-K and test source: every recipe's accuracy, its interval, and chance.

    Recognisers have colours of their own, and recipes names that hold theirs.
    """
    topk, sources, recipes = (list(dict.fromkeys(table[name])) for name in ("k", "test_source", "recipe"))
    size = (1.2 + 1.75 * len(sources), 0.9 + len(topk) * (0.2 + 0.22 * len(recipes)))
    figure = Figure(size)
    panels = figure.subplots(len(topk), len(sources), sharex=True, sharey=True, squeeze=False)
    owners = table.groupby("recipe", sort=False)["recogniser"].first().to_dict()
    names = list(dict.fromkeys(owners.values()))
    colours = {recipe: f"c{names.index(name) % 8}" if names[1:] else "soft" for recipe, name in owners.items()}
    for line, k in zip(panels, topk, strict=True):
        for axis, source in zip(line, sources, strict=True):
            rows = table[(table["k"] == k) & (table["test_source"] == source)].set_index("recipe").reindex(recipes)
            values = (100 * rows[["accuracy", "low", "high"]]).itertuples(name=None)
            intervals = [Interval(name, value, low, high, "", colours[name]) for name, value, low, high in values]
            draw_intervals(axis, intervals, 100 * min(1, k / glosses))
            axis.set_title(source if k == topk[0] else "", fontsize=10)
        line[0].set_xlim(0, 100)
        line[0].set_xticks(range(0, 101, 25), ["", "25", "50", "75", ""])
        line[0].set_ylabel(f"top-{k}")
    figure.text(
        0.5, 1 - 0.2 / size[1], "accuracy on the unseen source in %, with 95 % intervals; dashed: chance", ha="center"
    )
    left = (0.45 + 0.065 * max(map(len, recipes))) / size[0]
    figure.subplots_adjust(left, 0.3 / size[1], 1 - 0.2 / size[0], 1 - 0.55 / size[1], wspace=0.12, hspace=0.08)
    figure.savefig(path, dpi=120, metadata={"Software": None})


@mpl.rc_context(STYLE)
def curve_picture(curves: pd.DataFrame, path: Path) -> None:
    """Write a PNG with loss above accuracy, a column a recipe, a line a training."""
    recipes, colours = list(dict.fromkeys(curves["recipe"])), source_colours(curves)
    size = (2.2 * len(recipes) + 0.6, 4)
    figure = Figure(size)
    panels = figure.subplots(2, len(recipes), sharex=True, sharey="row", squeeze=False)
    for (above, below), (recipe, rows) in zip(panels.T, curves.groupby("recipe", sort=False), strict=True):
        draw_curves(above, rows, "loss", colours)
        draw_curves(below, rows, "accuracy", colours)
        above.set_title(recipe)
    panels[0, 0].set_ylabel("loss")
    panels[1, 0].set_ylabel("accuracy")
    lines = dict(zip(*reversed(panels[0, 0].get_legend_handles_labels()), strict=True))
    figure.legend(lines.values(), lines, loc="lower center", ncols=len(lines), frameon=False)
    figure.subplots_adjust(left=0.6 / size[0], right=1 - 0.1 / size[0], top=0.92, bottom=0.15, wspace=0.08, hspace=0.1)
    figure.savefig(path, dpi=100, metadata={"Software": None})


@mpl.rc_context(STYLE | {"font.size": 12})
def interval_svg(title: str, rows: Sequence[Interval], limits: tuple[float, float]) -> Markup:
    """Return one panel of changes with their intervals, between `limits`, as inline SVG."""
    rows = [replace(row, name=row.name if len(row.name) <= LABEL else f"{row.name[: LABEL - 1]}…") for row in rows]
    label = max(60, 14 + 7 * max(len(row.name) for row in rows))
    figure, axis = _panel(ROW * len(rows) + 22, label, 22)
    draw_intervals(axis, rows, 0)
    axis.set_xlim(*limits)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    return _inline(figure, title)


@mpl.rc_context(STYLE | {"font.size": 12})
def curve_svg(
    title: str, curves: pd.DataFrame, name: str, colours: Mapping[str, str], top: tuple[float, float]
) -> Markup:
    """Return one panel of learning curves as inline SVG; `top` are the last epoch and the largest value."""
    figure, axis = _panel(110, 36, 22)
    draw_curves(axis, curves, name, colours)
    axis.set_xlim(1, max(2, top[0]))
    axis.set_ylim(0, 1.05 * top[1])
    axis.yaxis.set_major_locator(MaxNLocator(3))
    return _inline(figure, title)


def _panel(height: float, left: float, bottom: float) -> tuple[Figure, Axes]:
    """Return a figure of one panel whose unit is a CSS pixel, with so much room for labels."""
    figure = Figure((PANEL / 72, height / 72))
    axis = figure.add_axes((left / PANEL, bottom / height, 1 - (left + 10) / PANEL, 1 - (bottom + 4) / height))
    return figure, axis


def _inline(figure: Figure, title: str) -> Markup:
    """Return a figure as SVG for a page: colours by their CSS variables, the page's font, words instead of ids."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    # A mark's id is the only text of ours that matplotlib passes on; it becomes the title that a browser shows.
    text = re.sub(rf"<g id=(['\"]){WORDS}(.*?)\1>", r"<g><title>\2</title>", file.getvalue().partition("</defs>")[2])
    # A page has no use for other ids, comments and line ends, nor for clipping and turning by nothing.
    text = re.sub(r'(?<=<g) id="[^"]*"| clip-path="[^"]*"| transform="rotate\(-0 [^"]*"|<!--.*?-->|\n *', "", text)
    # The font is the page's own, the size stays.
    text = re.sub(r"font: ([\d.]+px)[^;]*", r"font-size: \1", text)
    text = re.sub(r"font-family[^;]*; ", "", text)
    for name, colour in PALETTE.items():
        text = text.replace(colour, f"var(--{name})")
    width, height = (72 * size for size in figure.get_size_inches())
    head = f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(title)}">'
    return Markup(head + text.replace("xlink:href", "href"))
