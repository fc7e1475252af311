"""The pages of a publication for people: README, datasheet, licences, a card for each model, how to cite it."""

import json
import shutil
from pathlib import Path
from typing import Any

import jinja2
from ruamel.yaml import YAML

from calse.config.edited import dumped, loaded
from calse.data.consent import Consent
from calse.data.paths import Layout
from calse.publish.about import CITATION, SPDX, Study, citation
from calse.runtime.files import atomic_file, write_text

PAGES = ("README.md", "DATASHEET.md", "LICENCES.md")


def write_cards(layout: Layout, consent: Consent, study: Study, folder: Path) -> None:
    """Write the pages into the folder, those of models beside the models."""
    for page in PAGES:
        write_text(folder / page, _page(page, study=study))
    for file in sorted(folder.glob("models/faceswap/*/model.json")):
        info = json.loads(file.read_text(encoding="utf-8"))
        write_text(file.with_name("README.md"), _page("swap.md", study=study, name=file.parent.name, info=info))
    for place in sorted({file.parents[1] for file in folder.glob("models/*/*/*/seed-*.json")}):
        write_text(place / "README.md", _page("recogniser.md", study=study, **_trained(folder, place)))
    for name in ("LICENSE", "dvc.yaml"):
        shutil.copyfile(layout.root / name, folder / name)
    _write_params(layout, consent, folder)
    _write_citation(layout, study, folder)


def _page(page: str, /, **context: Any) -> str:
    """Return a page, filled in."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("pages")),
        autoescape=False,  # Markdown
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(f"{page}.j2").render(context)


def _trained(folder: Path, place: Path) -> dict[str, Any]:
    """Return what a card says of a recogniser's trainings on a recipe: settings, and accuracy where it is published."""
    infos = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(place.glob("*/seed-*.json"))]
    scores = folder / "metrics/evaluate" / place.parent.name / place.name / "metrics.json"
    measured = json.loads(scores.read_text(encoding="utf-8")) if scores.is_file() else {}
    return {"name": f"{place.parent.name}-{place.name}", "infos": infos, "scores": measured.get("filmed", {})}


def _write_params(layout: Layout, consent: Consent, folder: Path) -> None:
    """Write params.yaml without what it says in words of people whose videos stay out; else as it is."""
    silent = [name for name, grant in consent.sources.items() if name in consent.denied_sources("share")]
    file, target = layout.root / "params.yaml", folder / "params.yaml"
    if not silent:
        shutil.copyfile(file, target)
        return
    tree = loaded(file.read_text(encoding="utf-8"))
    for name in silent:
        for said in ("licence", "consent"):
            tree["corpus"]["sources"][name].pop(said, None)
    write_text(target, dumped(tree))


def _write_citation(layout: Layout, study: Study, folder: Path) -> None:
    """Write how the publication is cited: as data, by the authors of the study, with the study's code as reference."""
    cited = citation(layout)
    code = {
        name: cited[name] for name in ("title", "authors", "license", "doi", "repository-code", "url") if name in cited
    }
    known = [licence for licence in study.licences if SPDX.fullmatch(licence)]
    tree: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use these data, please cite them as below.",
        "type": "dataset",
        "title": study.title,
        "version": study.version,
        "date-released": study.date,
        "authors": study.authors,
        **({"abstract": study.abstract} if study.abstract else {}),
        **({"keywords": study.keywords} if study.keywords else {}),
        **({"license": known} if known == study.licences else {}),
        "references": [{"type": "software", **code}],
    }
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output = False, False  # type: ignore[assignment]
    with atomic_file(folder / CITATION) as aside, open(aside, "w", encoding="utf-8") as stream:
        yaml.dump(tree, stream)
