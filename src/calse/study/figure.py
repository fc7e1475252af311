"""The table as a picture."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

# Okabe and Ito's colours: told apart also by people who see fewer of them.
COLOURS = ["#000000", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"]


def draw_table(table: pd.DataFrame, glosses: int, path: Path) -> None:
    """Draw one panel a top-K: test sources side by side, a dot a recipe, chance as a dashed line."""
    sources = list(dict.fromkeys(table["test_source"]))
    recipes = list(dict.fromkeys(table["recipe"]))
    topk = list(dict.fromkeys(table["k"]))
    figure, axes = plt.subplots(1, len(topk), figsize=(4 * len(topk), 3.8), sharey=True, squeeze=False)
    for axis, k in zip(axes[0], topk, strict=True):
        axis.axhline(100 * min(1, k / glosses), color="grey", linestyle="--", linewidth=1, label="chance")
        for number, recipe in enumerate(recipes):
            rows = table[(table["recipe"] == recipe) & (table["k"] == k)].set_index("test_source").reindex(sources)
            shift = (number - (len(recipes) - 1) / 2) * 0.6 / len(recipes)
            places = [place + shift for place in range(len(sources))]
            colour = COLOURS[number % len(COLOURS)]
            axis.plot(places, 100 * rows["accuracy"], "o", color=colour, label=recipe)
        axis.set_title(f"top-{k}")
        axis.set_xticks(range(len(sources)), [source.replace(", ", ",\n") for source in sources])
        axis.set_ylim(-3, 103)
        axis.grid(axis="y", alpha=0.3)
    axes[0][0].set_ylabel("accuracy on the unseen source, %")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="lower center", ncols=len(recipes) + 1, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)
