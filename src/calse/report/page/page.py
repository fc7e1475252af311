"""The report as one HTML file that needs nothing else: no server, no network, no script."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from calse.config.params import Params
from calse.data.consent import read_consent
from calse.data.paths import Layout
from calse.report.comparisons import VERSUS, footnote, recogniser_cells
from calse.report.fusion import FUSED, Fusion, fusion_cells
from calse.report.measures import mean_measures
from calse.report.page import charts
from calse.report.page.glosses import glosses
from calse.report.page.pictures import Pictures
from calse.report.page.provenance import gate, hashes, parameters
from calse.report.page.recipes import curve_panels, recipes
from calse.report.page.results import accuracies, finding_of, joint_finding, published
from calse.report.page.sets import omitted, sets
from calse.report.plots import PALETTE
from calse.report.read import read_manifests
from calse.report.study import Results, named
from calse.runtime.files import write_text


def write_page(
    params: Params,
    layout: Layout,
    results: list[Results],
    versus: pd.DataFrame,
    changes: pd.DataFrame | None = None,
    fusions: Sequence[Fusion] = (),
) -> None:
    """Write the report page. What the study lacks (swaps, blurred clips, a Baseline) leaves its section out.

    `versus` has a row for each two recognisers and top-K, `changes` a row a published change. Raises CalseError when a
    clip that the page shows is missing or has changed.
    """
    pictures = Pictures(layout.root, params.report.show_faces, read_consent(params, layout))
    sources = read_manifests({name: layout.source_manifest(name) for name in params.filmed})
    filmed = {clip.clip: clip for clips in sources.values() for clip in clips}
    made = read_manifests({name: layout.set_manifest(name) for name in params.sets})
    predictions, confused = named(results, "predictions"), named(results, "confused")
    context = {
        "params": params,
        "hidden": sorted(pictures.hidden),
        "finding": joint_finding(
            {one.recogniser: finding_of(one.table, one.comparisons, params.corpus.glosses) for one in results}
        ),
        "recognisers": [shown(params, layout, one) for one in results],
        "versus": recogniser_cells(versus),
        "versus_note": VERSUS,
        "fusions": fusion_cells(fusions),
        "fusions_note": f"{FUSED}. Accuracy in %, top-{min(params.evaluate.topk)}",
        "published": [] if changes is None else published(changes),
        "glosses": glosses(predictions, confused, filmed, pictures),
        "gate": gate(params, layout),
        "sets": sets(params, layout, made, filmed, pictures),
        "omitted": omitted(params, layout),
        "parameters": parameters(params),
        "hashes": hashes(params, layout),
    }
    write_text(layout.page(), render(context))


def shown(params: Params, layout: Layout, one: Results) -> dict[str, Any]:
    """Return what the page shows of a recogniser."""
    return {
        "name": one.recogniser,
        "accuracies": accuracies(one.table, one.comparisons, params.corpus.glosses),
        "notes": [footnote(one.table, one.comparisons).replace("`", ""), *one.notes],
        "failures": one.failures,
        "measures": mean_measures(one.measures),
        "recipes": recipes(params, layout, one),
        "curves": curve_panels(one.curves),
    }


def render(context: dict[str, Any]) -> str:
    """Fill the template."""
    browser = os.path.relpath(Layout().browser(), Layout().page().parent)
    template = _templates().get_template("page.html.j2")
    return template.render(context, Axis=charts.Axis, palette=PALETTE, browser=Path(browser).as_posix())


def stylesheet() -> str:
    """Return the page's style: colours in a light and a dark scheme, text, tables."""
    return _templates().get_template("page.css.j2").render(palette=PALETTE)


def _templates() -> jinja2.Environment:
    """Return the page's templates, in which an unknown name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"percent": charts.percent, "points": charts.points}
    return environment
