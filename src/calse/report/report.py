"""The stage `report`: the study's table as CSV, Markdown and picture, beside the published figures on CALSE-100."""

from pathlib import Path

import pandas as pd

from calse.config.params import Params
from calse.data.paths import Layout
from calse.report.measures import measure_section, measure_table
from calse.report.published import published_comparisons, published_section, read_published
from calse.report.read import read_confusion, read_curves, read_predictions, read_scores, steps_of
from calse.report.swaps import swap_section
from calse.report.table import (
    MEAN,
    accuracy_table,
    comparison_table,
    counted_cells,
    labelled,
    recipe_labels,
    to_markdown,
    with_steps,
)
from calse.report.verdicts import noises, verdict_section
from calse.runtime.errors import CalseError
from calse.runtime.files import folder_written_aside, write_json, write_text

Part = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]
"""Of one recogniser: predictions, confused glosses, accuracies, comparisons with Baseline, measures."""
CAPTION = "in %, in brackets the change in points\n"


def report(params: Params, layout: Layout) -> None:
    """Write metrics/report (`table.csv`, `comparisons.csv`, `measures.csv`, `table.md`, pictures; with published
    figures of the corpus `published.csv` too) and the report page.

    Raises CalseError when a recipe has no predictions, or others than Baseline's clips.
    """
    from calse.report.page.page import write_page
    from calse.report.plots import accuracy_picture, curve_picture

    parts = [part_of(params, layout, recogniser) for recogniser in params.train]
    together = (pd.concat(some, ignore_index=True) for some in zip(*parts, strict=True))
    predictions, confused, table, comparisons, measures = together
    sections = [f"# {params.corpus.name}: accuracy on a source never seen\n", CAPTION]
    for recogniser, (predicted, _, own, compared, measured) in zip(params.train, parts, strict=True):
        sections += [f"# {recogniser}\n"] if len(parts) > 1 else []
        sections += [to_markdown(own, k) for k in sorted(params.evaluate.topk)]
        noise = noises(counted_cells(predicted, params.evaluate.topk))
        sections += [verdict_section(own, compared), noise + "\n", measure_section(measured)]
    sections.append(swap_section(params, layout))
    curves = read_curves(params, layout)
    published = read_published(params.corpus.name)
    changes = None if published is None else published_comparisons(published)
    labels = recipe_labels(params)
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
        accuracy_picture(labelled(table, labels), params.corpus.glosses, folder / "table.png")
        if len(curves):
            curve_picture(labelled(curves, labels), folder / "curves.png")
    predictions, confused, table = (labelled(one, labels) for one in (predictions, confused, table))
    comparisons, measures, curves = (labelled(one, labels) for one in (comparisons, measures, curves))
    write_page(params, layout, predictions, table, comparisons, measures, confused, curves, changes)


def part_of(params: Params, layout: Layout, recogniser: str) -> Part:
    """Return what one recogniser's trainings gave; recipes are compared with Baseline within it."""
    predictions, confused = (
        pd.concat([read(layout, recogniser, recipe) for recipe in params.recipes], ignore_index=True)
        for read in (read_predictions, read_confusion)
    )
    scores = {recipe: read_scores(layout, recogniser, recipe) for recipe in params.recipes}
    cells = counted_cells(predictions, params.evaluate.topk)
    table, comparisons = with_steps(accuracy_table(cells), steps_of(scores)), comparison_table(cells)
    made = (predictions, confused, table, comparisons, measure_table(scores, params.test_sources))
    for one in made:
        one.insert(0, "recogniser", recogniser)
    return made


def headline(table: pd.DataFrame, k: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return each recipe's mean top-K: what `dvc exp show` and `dvc metrics diff` compare experiments by."""
    means = table[(table["k"] == k) & (table["test_source"] == MEAN)]
    found: dict[str, dict[str, float]] = {}
    for recogniser, recipe, value in zip(means["recogniser"], means["recipe"], means["accuracy"], strict=True):
        found.setdefault(recogniser, {})[recipe] = round(value, 6)
    return {f"top{k}": found}


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
