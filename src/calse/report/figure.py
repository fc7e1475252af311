"""The table as a picture."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

# Okabe and Ito's colours: told apart also by people who see fewer of them.
COLOURS = ["#000000", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C8C"]


def draw_table(table: pd.DataFrame, glosses: int, path: Path) -> None:
    """Draw one panel a top-K: test sources side by side, a recipe's accuracy as a dot with its 95 % interval as a bar,
    chance as a dashed line.
    """
    sources = list(dict.fromkeys(table["test_source"]))
    recipes = list(dict.fromkeys(table["recipe"]))
    topk = list(dict.fromkeys(table["k"]))
    size = (max(8, 0.26 * len(recipes) * len(sources)), 2.6 * len(topk) + 0.6)
    figure, panels = plt.subplots(len(topk), 1, figsize=size, sharex=True, squeeze=False, layout="constrained")
    for axis, k in zip(panels[:, 0], topk, strict=True):
        rows = table[table["k"] == k]
        axis.axhline(100 * min(1, k / glosses), color="grey", linestyle="--", linewidth=1, label="chance")
        for number, recipe in enumerate(recipes):
            shift = (number - (len(recipes) - 1) / 2) * 0.78 / len(recipes)
            own = rows[rows["recipe"] == recipe].set_index("test_source").reindex(sources)
            _draw_recipe(axis, own, shift, recipe, COLOURS[number % len(COLOURS)])
        _furnish(axis, sources, f"top-{k}, %")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    spacing = {"columnspacing": 1.2, "handletextpad": 0.3}
    figure.legend(handles, labels, loc="outside lower center", ncols=min(8, len(labels)), frameon=False, **spacing)
    figure.suptitle("accuracy on the unseen source, with 95 % intervals", fontsize=11)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def _draw_recipe(axis: Axes, rows: pd.DataFrame, shift: float, recipe: str, colour: str) -> None:
    value, low, high = (100 * rows[name] for name in ("accuracy", "low", "high"))
    places = [place + shift for place in range(len(rows))]
    axis.vlines(places, low, high, color=colour, linewidth=1.6, alpha=0.6)
    axis.plot(places, value, "o", color=colour, markersize=5, label=recipe)


def _furnish(axis: Axes, sources: list[str], title: str) -> None:
    axis.set_xticks(range(len(sources)), sources)
    axis.tick_params(axis="x", length=0)
    for place in range(1, len(sources)):
        axis.axvline(place - 0.5, color="black", alpha=0.15, linewidth=0.8)
    axis.set_xlim(-0.5, len(sources) - 0.5)
    axis.set_ylim(-3, 103)
    axis.set_ylabel(title)
    axis.grid(axis="y", alpha=0.3)
