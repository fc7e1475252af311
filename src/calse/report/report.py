"""The stage `report`: the study's table as CSV, Markdown and picture, beside the published figures on CALSE-100."""

from pathlib import Path

import pandas as pd

from calse.config.params import Params
from calse.data.paths import Layout
from calse.report.measures import measure_section, measure_table
from calse.report.published import published_comparisons, published_section, read_published
from calse.report.read import read_confusion, read_curves, read_predictions, read_scores, steps_of
from calse.report.swaps import swap_section
from calse.report.table import MEAN, accuracy_table, comparison_table, counted_cells, to_markdown, with_steps
from calse.report.verdicts import noises, verdict_section
from calse.runtime.errors import CalseError
from calse.runtime.files import folder_written_aside, write_json, write_text

CAPTION = "in %, in brackets the change in points\n"


def report(params: Params, layout: Layout) -> None:
    """Write metrics/report (`table.csv`, `comparisons.csv`, `measures.csv`, `table.md`, pictures; with published
    figures of the corpus `published.csv` too) and the report page.

    Raises CalseError when a recipe has no predictions, or others than Baseline's clips.
    """
    from calse.report.page.page import write_page
    from calse.report.plots import accuracy_picture, curve_picture

    predictions = pd.concat([read_predictions(layout, recipe) for recipe in params.recipes], ignore_index=True)
    scores = {recipe: read_scores(layout, recipe) for recipe in params.recipes}
    cells = counted_cells(predictions, params.evaluate.topk)
    table, comparisons = with_steps(accuracy_table(cells), steps_of(scores)), comparison_table(cells)
    measures = measure_table(scores, params.test_sources)
    sections = [f"# {params.corpus.name}: accuracy on a source never seen\n", CAPTION]
    sections += [to_markdown(table, k) for k in sorted(params.evaluate.topk)]
    sections += [verdict_section(table, comparisons), noises(cells) + "\n", measure_section(measures)]
    sections.append(swap_section(params, layout))
    curves = read_curves(params, layout)
    published = read_published(params.corpus.name)
    changes = None if published is None else published_comparisons(published)
    with folder_written_aside(layout.metrics("report")) as folder:
        if published is not None and changes is not None:
            sections.append(published_section(published, changes))
            table = table.merge(published, "left", ["recipe", "test_source", "k"], suffixes=("", "_published"))
            _write(changes, folder / "published.csv")
        _write(table, folder / "table.csv")
        write_json(folder / "headline.json", headline(table, min(params.evaluate.topk)))
        _write(comparisons, folder / "comparisons.csv")
        _write(measures, folder / "measures.csv")
        write_text(folder / "table.md", "\n".join(section for section in sections if section))
        accuracy_picture(table, params.corpus.glosses, folder / "table.png")
        if len(curves):
            curve_picture(curves, folder / "curves.png")
    confused = pd.concat([read_confusion(layout, recipe) for recipe in params.recipes], ignore_index=True)
    write_page(params, layout, predictions, table, comparisons, measures, confused, curves, changes)


def headline(table: pd.DataFrame, k: int) -> dict[str, dict[str, float]]:
    """Return each recipe's mean top-K: what `dvc exp show` and `dvc metrics diff` compare experiments by."""
    means = table[(table["k"] == k) & (table["test_source"] == MEAN)]
    return {
        f"top{k}": {recipe: round(value, 6) for recipe, value in zip(means["recipe"], means["accuracy"], strict=True)}
    }


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.6f", lineterminator="\n")


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
