"""The stage `report`: the study's table as CSV, Markdown and picture, beside the published figures on CALSE-100."""

from importlib.resources import files
from pathlib import Path

import pandas as pd

from calse.errors import CalseError
from calse.files import folder_written_aside, write_text
from calse.layout import Layout
from calse.params import Params
from calse.study.swaps import swap_section
from calse.study.table import MEAN, OMITTED, accuracy_table, to_markdown, with_deltas

STUDIED_CORPUS = "calse-100"


def report(params: Params, layout: Layout) -> None:
    """Write metrics/report. Raises CalseError when a recipe has no predictions."""
    import matplotlib as mpl

    mpl.use("Agg")
    from calse.study.figure import draw_table

    predictions = pd.concat([read_predictions(layout, recipe) for recipe in params.recipes], ignore_index=True)
    table = accuracy_table(predictions, params.evaluate.topk)
    sections = [f"# {params.corpus.name}: accuracy on a source never seen\n", to_markdown(table), footnote(table)]
    sections.append(swap_section(params, layout))
    if params.corpus.name == STUDIED_CORPUS:
        published = read_published()
        table = table.merge(published, how="left", on=["recipe", "test_source", "k"], suffixes=("", "_published"))
        sections += ["## As published\n", to_markdown(published)]
    with folder_written_aside(layout.metrics("report")) as folder:
        table.to_csv(folder / "table.csv", index=False, float_format="%.6f", lineterminator="\n")
        write_text(folder / "table.md", "\n".join(section for section in sections if section))
        draw_table(table, params.corpus.glosses, folder / "table.png")


def footnote(table: pd.DataFrame) -> str:
    """Say how much one clip weighs, without which the table is easily misread."""
    rows = table[~table["test_source"].isin([MEAN, OMITTED])]
    fewest, most, seeds = int(rows["clips"].min()), int(rows["clips"].max()), int(rows["seeds"].max())
    clips = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    runs = "one training" if seeds == 1 else f"{seeds} trainings with different seeds"
    return (
        f"{clips} test clips a source, {runs} a cell: one clip is {100 / fewest:.1f} points. "
        "A change of a few clips is within chance.\n"
    )


def read_predictions(layout: Layout, recipe: str) -> pd.DataFrame:
    """Read a recipe's predictions, with the recipe as a column. Raises CalseError when there are none."""
    path = layout.metrics("evaluate") / recipe / "predictions.csv"
    if not path.is_file():
        raise CalseError(f"{path} is missing; run: dvc repro evaluate@{recipe}")
    return pd.read_csv(path, keep_default_na=False, dtype={"clip": str, "gloss": str}).assign(recipe=recipe)


def read_published() -> pd.DataFrame:
    """Return the study's own figures (its result tables): recipe, test_source, k, accuracy, delta."""
    with files("calse.study").joinpath("published.csv").open() as file:
        return with_deltas(pd.read_csv(file))


def show(params: Params, layout: Layout) -> None:
    """Print the table and where to look next."""
    path = layout.metrics("report") / "table.md"
    if not path.is_file():
        raise CalseError(f"{path} is missing; run: dvc repro")
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(path.read_text(encoding="utf-8")))
    print(f"picture   {path.with_suffix('.png')}")
    print(f"gate      {Path(layout.metrics('validate') / 'index.html')}")
    print("compare   make ui, or: dvc exp show")
