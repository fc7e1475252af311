"""Learning curves: every training of the study, read together and drawn side by side."""

from pathlib import Path

import pandas as pd

from calse.config.params import Params
from calse.data.paths import Layout

COLUMNS = ["recipe", "test_source", "seed", "epoch", "loss", "accuracy"]


def read_curves(params: Params, layout: Layout) -> pd.DataFrame:
    """Return a row an epoch of every training that was made: recipe, test_source, seed, epoch, loss, accuracy."""
    found = []
    for recipe in params.recipes:
        for source in params.test_sources:
            for seed in params.seeds_of(recipe):
                path = layout.metrics("train") / recipe / f"{source}-seed-{seed}.csv"
                if path.is_file():
                    found.append(pd.read_csv(path).assign(recipe=recipe, test_source=source, seed=seed)[COLUMNS])
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)


def draw_curves(curves: pd.DataFrame, path: Path) -> None:
    """Draw loss above share right, a column a recipe, a line a training; equal curves give equal bytes."""
    import matplotlib.pyplot as plt

    recipes, sources = (list(dict.fromkeys(curves[name])) for name in ("recipe", "test_source"))
    size = (2.2 * len(recipes) + 0.6, 4)
    figure, axes = plt.subplots(2, len(recipes), figsize=size, sharex=True, sharey="row", squeeze=False)
    for (recipe, source, _), rows in curves.groupby(["recipe", "test_source", "seed"], sort=False):
        for axis, name in zip(axes[:, recipes.index(recipe)], ("loss", "accuracy"), strict=True):
            axis.plot(rows["epoch"], rows[name], color=f"C{sources.index(source)}", linewidth=1.2, label=source)
            axis.grid(alpha=0.3)
    for axis, recipe in zip(axes[0], recipes, strict=True):
        axis.set_title(recipe)
    axes[0][0].set_ylabel("loss")
    axes[1][0].set_ylabel("share right")
    lines = dict(zip(*reversed(axes[0][0].get_legend_handles_labels()), strict=True))
    figure.legend(lines.values(), lines, loc="lower center", ncols=len(lines), frameon=False)
    figure.subplots_adjust(left=0.6 / size[0], right=1 - 0.1 / size[0], top=0.92, bottom=0.15, wspace=0.08, hspace=0.1)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)
