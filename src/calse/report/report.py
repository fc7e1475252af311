"""The stage `report`: the study's table as CSV, Markdown and picture, beside figures published of its corpus."""

from pathlib import Path

import pandas as pd

from calse.config.params import Params
from calse.data.donors import person
from calse.data.paths import Layout
from calse.report.comparisons import outcome_section, recogniser_section
from calse.report.fusion import fusion_section, fusions_of
from calse.report.measures import measure_section
from calse.report.published import published_comparisons, published_section, read_published
from calse.report.read import read_manifests
from calse.report.study import named, results_of
from calse.report.swaps import swap_section
from calse.report.table import MEAN, recogniser_table, to_markdown
from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_folder, write_json, write_text

CAPTION = "in %, in brackets the change in points\n"


def report(params: Params, layout: Layout) -> None:
    """Write metrics/report (`table.csv`, `comparisons.csv`, `measures.csv`, `table.md`, pictures; with several
    recognisers `recognisers.csv`, with fusions `fusions.csv`, with published figures of the corpus `published.csv`)
    and the report page.

    Raises CalseError when a recipe has no predictions, or others than Baseline's clips.
    """
    from calse.report.page.page import write_page
    from calse.report.plots import accuracy_picture, curve_picture

    tested = read_manifests({name: layout.source_manifest(name) for name in params.test_sources})
    signers = {clip.clip: person(clip.signer) for clips in tested.values() for clip in clips}
    results = [results_of(params, layout, name, signers) for name in params.train]
    seeded = [name for name, settings in params.train.items() if hasattr(settings, "seeds")]
    fusions = fusions_of(params, layout)
    cells = {one.recogniser: one.cells for one in results} | {one.name: one.cells for one in fusions}
    versus = recogniser_table(cells, seeded + [one.name for one in fusions])
    sections = [f"# {params.corpus.name}: accuracy on a source never seen\n", CAPTION]
    for one in results:
        sections += [f"# {one.recogniser}\n"] if len(results) > 1 else []
        sections += [f"**{failure}**\n" for failure in one.failures]
        sections += [to_markdown(one.table, k) for k in sorted(params.evaluate.topk)]
        sections += [outcome_section(one.table, one.comparisons), *(f"{note}\n" for note in one.notes)]
        sections.append(measure_section(one.measures))
    sections += [
        recogniser_section(versus),
        fusion_section(fusions, min(params.evaluate.topk)),
        swap_section(params, layout),
    ]
    table, curves = named(results, "table"), named(results, "curves")
    published = read_published(params.corpus.name)
    changes = None if published is None else published_comparisons(published)
    with atomic_folder(layout.metrics("report")) as folder:
        if published is not None and changes is not None:
            sections.append(published_section(published, changes))
            table = table.merge(published, "left", ["recipe", "test_source", "k"], suffixes=("", "_published"))
            _write(changes, folder / "published.csv")
        _write(table, folder / "table.csv")
        write_json(folder / "headline.json", headline(table, min(params.evaluate.topk)))
        _write(named(results, "comparisons"), folder / "comparisons.csv")
        _write(named(results, "measures"), folder / "measures.csv")
        if len(versus):
            _write(versus, folder / "recognisers.csv")
        if fusions:
            _write(pd.concat([one.table for one in fusions]), folder / "fusions.csv")
        write_text(folder / "table.md", "\n".join(section for section in sections if section))
        accuracy_picture(_labelled(table), params.corpus.glosses, folder / "table.png")
        if len(curves):
            curve_picture(_labelled(curves), folder / "curves.png")
    write_page(params, layout, results, versus, changes, fusions)


def _labelled(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose recipes are called by their recogniser too, where there are several."""
    several = table["recogniser"].nunique() > 1
    return table.assign(recipe=table["recogniser"] + " " + table["recipe"]) if several else table


def headline(table: pd.DataFrame, k: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return each recipe's mean top-K: what `dvc exp show` and `dvc metrics diff` compare experiments by."""
    means = table[(table["k"] == k) & (table["test_source"] == MEAN)]
    found: dict[str, dict[str, float]] = {}
    for recogniser, recipe, value in zip(means["recogniser"], means["recipe"], means["accuracy"], strict=True):
        found.setdefault(recogniser, {})[recipe] = round(value, 6)
    return {f"top{k}": found}


def _write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV: equal numbers give equal bytes."""
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
    print(f"gate      {layout.metrics('validate') / 'index.html'}")
    print("compare   make ui, or: dvc exp show")
