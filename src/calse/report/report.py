"""The stage `report`: the study's table as CSV, Markdown and picture, beside the published figures on CALSE-100."""

import json
from pathlib import Path

import pandas as pd

from calse.config.params import Params
from calse.data.paths import Layout
from calse.report.curves import draw_curves, read_curves
from calse.report.published import published_comparisons, published_section, read_published
from calse.report.swaps import swap_section
from calse.report.table import MEAN, accuracy_table, comparison_table, counted_cells, to_markdown, with_steps
from calse.report.verdicts import verdict_section
from calse.runtime.errors import CalseError
from calse.runtime.files import folder_written_aside, write_json, write_text

STUDIED_CORPUS = "calse-100"
CAPTION = "in %, in brackets the change in points\n"


def report(params: Params, layout: Layout) -> None:
    """Write metrics/report (`table.csv`, `comparisons.csv`, `table.md`, pictures; on CALSE-100 `published.csv` too) and
    the report page.

    Raises CalseError when a recipe has no predictions, or others than Baseline's clips.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from calse.report.figure import draw_table
    from calse.report.page.page import write_page

    predictions = pd.concat([read_predictions(layout, recipe) for recipe in params.recipes], ignore_index=True)
    cells = counted_cells(predictions, params.evaluate.topk)
    table, comparisons = with_steps(accuracy_table(cells), read_steps(params, layout)), comparison_table(cells)
    sections = [f"# {params.corpus.name}: accuracy on a source never seen\n", CAPTION]
    sections += [to_markdown(table, k) for k in sorted(params.evaluate.topk)]
    sections += [verdict_section(table, comparisons), swap_section(params, layout)]
    curves = read_curves(params, layout)
    published = published_comparisons() if params.corpus.name == STUDIED_CORPUS else None
    with folder_written_aside(layout.metrics("report")) as folder:
        if published is not None:
            sections.append(published_section(published))
            table = table.merge(read_published(), "left", ["recipe", "test_source", "k"], suffixes=("", "_published"))
            _write(published, folder / "published.csv")
        _write(table, folder / "table.csv")
        write_json(folder / "headline.json", headline(table, min(params.evaluate.topk)))
        _write(comparisons, folder / "comparisons.csv")
        write_text(folder / "table.md", "\n".join(section for section in sections if section))
        draw_table(table, params.corpus.glosses, folder / "table.png")
        if len(curves):
            draw_curves(curves, folder / "curves.png")
    write_page(params, layout, predictions, table, comparisons, curves, published)


def headline(table: pd.DataFrame, k: int) -> dict[str, dict[str, float]]:
    """Return each recipe's mean top-K: what `dvc exp show` and `dvc metrics diff` compare experiments by."""
    means = table[(table["k"] == k) & (table["test_source"] == MEAN)]
    return {
        f"top{k}": {recipe: round(value, 6) for recipe, value in zip(means["recipe"], means["accuracy"], strict=True)}
    }


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.6f", lineterminator="\n")


def read_predictions(layout: Layout, recipe: str) -> pd.DataFrame:
    """Read a recipe's predictions, with the recipe as a column. Raises CalseError when there are none."""
    path = _evaluated(layout, recipe, "predictions.csv")
    # All is text but the ranks: a source named 1, or the glosses 1 to 9, must not become numbers.
    table = pd.read_csv(path, keep_default_na=False, dtype=str)
    return table.astype({"seed": int, "rank": int}).assign(recipe=recipe)


def _evaluated(layout: Layout, recipe: str, name: str) -> Path:
    path = layout.metrics("evaluate") / recipe / name
    if not path.is_file():
        raise CalseError(f"{path} is missing; run: dvc repro evaluate@{recipe}")
    return path


def read_steps(params: Params, layout: Layout) -> dict[tuple[str, str], int]:
    """Return the optimiser steps of a training, by recipe and test source. Raises CalseError when they are not told."""
    steps: dict[tuple[str, str], int] = {}
    for recipe in params.recipes:
        path = _evaluated(layout, recipe, "metrics.json")
        by_source = json.loads(path.read_text(encoding="utf-8")).get("steps")
        if by_source is None:
            raise CalseError(f"{path} does not say how long its trainings were; run: dvc repro evaluate@{recipe}")
        steps |= {(recipe, source): count for source, count in by_source.items()}
    return steps


def show(params: Params, layout: Layout) -> None:
    """Print the table and where to look next."""
    path = layout.metrics("report") / "table.md"
    if not path.is_file():
        raise CalseError(f"{path} is missing; run: dvc repro")
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(path.read_text(encoding="utf-8")))
    print(f"page      {layout.page()}")
    print(f"picture   {path.with_suffix('.png')}")
    print(f"gate      {Path(layout.metrics('validate') / 'index.html')}")
    print("compare   make ui, or: dvc exp show")
