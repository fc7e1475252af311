"""Learning curves as the page draws them: small multiples, one panel a recipe, one line a training."""

from typing import Any

import pandas as pd

from calse.report.page.charts import Axis

WIDTH, HEIGHT, LEFT, GAP = 320, 96, 34, 12  # SVG units of one plot


def curve_panels(curves: pd.DataFrame) -> dict[str, Any] | None:
    """Return every training's loss and accuracy as SVG points, on axes that all panels share; None without any."""
    if curves.empty:
        return None
    sources = list(dict.fromkeys(curves["test_source"]))
    epochs = Axis(1, max(2, int(curves["epoch"].max())), LEFT, WIDTH - 6)
    axes = {"loss": Axis(0, 1.05 * curves["loss"].max(), HEIGHT, GAP), "accuracy": Axis(0, 1.05, HEIGHT, GAP)}
    panels = [_panel(rows, sources, epochs, axes) for _, rows in curves.groupby("recipe", sort=False)]
    return {
        "panels": panels,
        "epochs": epochs,
        "axes": axes,
        "sources": sources,
        "width": WIDTH,
        "height": HEIGHT,
    }


def _panel(curves: pd.DataFrame, sources: list[str], epochs: Axis, axes: dict[str, Axis]) -> dict[str, Any]:
    """Return one recipe's lines, and where its trainings ended on average."""
    trainings: list[Any] = list(curves.groupby(["test_source", "seed"], sort=False))
    lines = {
        figure: [
            {
                "points": " ".join(f"{epochs(x)},{axis(y)}" for x, y in zip(rows["epoch"], rows[figure], strict=True)),
                "colour": sources.index(source),
                "name": f"{source} held out, seed {seed}",
            }
            for (source, seed), rows in trainings
        ]
        for figure, axis in axes.items()
    }
    last = pd.DataFrame([rows.iloc[-1] for _, rows in trainings])
    return {"recipe": curves["recipe"].iloc[0], "lines": lines, "ends": {name: last[name].mean() for name in axes}}
