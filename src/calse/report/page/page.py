"""The report as one HTML file that needs nothing else: no server, no network, no script."""

from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from calse.config.params import Params
from calse.data.paths import Layout
from calse.report.measures import mean_measures
from calse.report.page import charts
from calse.report.page.glosses import glosses
from calse.report.page.pictures import Pictures
from calse.report.page.recipes import curve_panels, recipes
from calse.report.page.record import gate, hashes, manifests, parameters
from calse.report.page.results import accuracies, answer, published
from calse.report.page.sets import omitted, sets
from calse.report.plots import PALETTE
from calse.report.verdicts import footnote
from calse.runtime.files import write_text


def write_page(
    params: Params,
    layout: Layout,
    predictions: pd.DataFrame,
    table: pd.DataFrame,
    comparisons: pd.DataFrame,
    measures: pd.DataFrame,
    confused: pd.DataFrame,
    curves: pd.DataFrame,
    changes: pd.DataFrame | None = None,
) -> None:
    """Write the report page. What the study lacks (swaps, blurred clips, a Baseline) leaves its section out.

    `predictions` has a row a prediction, `table` a row a cell, `comparisons` a row a cell beside Baseline, `measures` a
    row a value, `confused` a row for each pair of right and first-ranked gloss, `curves` a row an epoch, `changes` a
    row a published change. Raises CalseError when a clip that the page shows is missing or has changed.
    """
    pictures = Pictures(layout.root, params.report.show_faces, params.withheld)
    sources = manifests({name: layout.source_manifest(name) for name in params.filmed})
    filmed = {clip.clip: clip for clips in sources.values() for clip in clips}
    made = manifests({name: layout.set_manifest(name) for name in params.sets})
    context = {
        "params": params,
        "answer": answer(table, comparisons),
        "footnote": footnote(table, comparisons).replace("`", ""),
        "accuracies": accuracies(table, comparisons, params.corpus.glosses),
        "measures": mean_measures(measures),
        "published": [] if changes is None else published(changes),
        "recipes": recipes(params, layout, table),
        "curves": curve_panels(curves),
        "glosses": glosses(predictions, confused, filmed, pictures),
        "gate": gate(params, layout),
        "sets": sets(params, layout, made, filmed, pictures),
        "omitted": omitted(params, layout),
        "parameters": parameters(params),
        "hashes": hashes(params, layout),
    }
    write_text(layout.page(), render(context))


def render(context: dict[str, Any]) -> str:
    """Fill the template."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"percent": charts.percent, "points": charts.points}
    return environment.get_template("page.html.j2").render(context, Axis=charts.Axis, palette=PALETTE)
