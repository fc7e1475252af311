"""The gate: nothing trains on a corpus that is not what params.yaml says it is."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calse.config.params import Params, Source
from calse.corpus.gate.suites import (
    Outcome,
    clip_table,
    count_table,
    glossary_table,
    open_context,
    parameters_of,
    read_suites,
    run_suite,
)
from calse.corpus.glossary import read_glossary
from calse.corpus.withhold import check_withheld
from calse.data.clips import Clip
from calse.data.consent import check_dates, needed_uses, read_consent, terms_of
from calse.data.donors import person, tested_on
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError, counted
from calse.runtime.files import atomic_folder, write_json, write_text


@dataclass(frozen=True)
class Result:
    """All outcomes for one source, or for the glossary."""

    name: str
    summary: str
    outcomes: list[Outcome]

    def failed(self, severity: str) -> list[Outcome]:
        """The checks of one severity that did not pass."""
        return [outcome for outcome in self.outcomes if not outcome.passed and outcome.severity == severity]


def validate(params: Params, layout: Layout) -> None:
    """Check every source of the corpus, write one JSON a source and a page, then stop if a critical check failed.

    Raises CalseError naming source, gloss and clip of the first failure, and the page that has the rest; also when
    `dvc push` would send what is not to be shared, and when consent has ended.
    """
    check_dates(params, layout)
    check_withheld(params, layout)
    results = _results(params, layout)
    folder = layout.metrics("validate")
    with atomic_folder(folder) as aside:
        for result in results:
            write_json(aside / f"{result.name}.json", asdict(result) | {"passed": not result.failed("critical")})
        write_text(aside / "index.html", page(params.corpus.name, results))
    failures = [
        _line(result.name, outcome, row)
        for result in results
        for outcome in result.failed("critical")
        for row in outcome.offenders or [{}]
    ]
    if failures:
        more = f" (and {len(failures) - 1} more)" if failures[1:] else ""
        raise CalseError(f"{failures[0]}{more}; see {folder / 'index.html'}")
    warnings = sum(len(outcome.offenders) for result in results for outcome in result.failed("warning"))
    note = f", {counted(warnings, 'warning')} in {folder / 'index.html'}" if warnings else ""
    print(f"corpus {params.corpus.name} is as it should be{note}", file=sys.stderr)


def _results(params: Params, layout: Layout) -> list[Result]:
    """Put the suites to the glossary and to every source; fewer to a donor."""
    glossary = read_glossary(layout.glossary(params.corpus.name))
    clips = {source: read_manifest(layout.source_manifest(source)) for source in params.corpus.sources}
    everywhere = [clip for listed in clips.values() for clip in listed]
    _check_ids(everywhere)
    tested = [clip for clip in everywhere if clip.source in params.test_sources]
    context, suites, consent = open_context(), read_suites(), read_consent(params, layout)
    wanted = {"glosses": params.corpus.glosses}
    outcomes = run_suite(context, "glossary", suites["glossary"], glossary_table(glossary), wanted)
    results = [Result("glossary", counted(len(glossary), "gloss"), outcomes)]
    for name, source in params.corpus.sources.items():
        dropped = _dropped(layout.metrics("ingest") / f"{name}.json")
        refused = tested_on(clips[name], tested) if source.kind == "donor" else {}
        needed = needed_uses(params, name)
        denied = {c.clip: ", ".join(u for u in needed if not consent.permits(c, u)) for c in clips[name]}
        table = clip_table(clips[name], everywhere, refused, denied, layout.root)
        values = parameters_of(source, params.validate, glossary)
        if source.kind == "donor":
            outcomes = run_suite(context, name, suites["donor"] + suites["clips"], table, values)
        else:
            counts = count_table(clips[name], glossary, dropped)
            outcomes = run_suite(context, name, suites["vocabulary"], table, values)
            outcomes += run_suite(context, name, suites["counts"], counts, values)
            outcomes += run_suite(context, name, suites["clips"], table, values)
        results.append(Result(name, _summary(source, clips[name], dropped), outcomes))
    return results


def _check_ids(clips: Sequence[Clip]) -> None:
    """Raise CalseError when clips of two sources have one id: they would be one clip in every split."""
    first: dict[str, Clip] = {}
    for clip in clips:
        twin = first.setdefault(clip.clip.casefold(), clip)
        if twin.source != clip.source:
            raise CalseError(
                f"source {clip.source}, gloss {clip.gloss}: clip {clip.clip} is called as one of gloss {twin.gloss} "
                f"of source {twin.source}; import one of the two sources under another name"
            )


def _dropped(path: Path) -> list[str]:
    """Return the gloss of every clip that ingest left out."""
    if not path.is_file():
        raise CalseError(f"{path} is missing; `dvc repro` makes it")
    return [entry["gloss"] for entry in json.loads(path.read_text(encoding="utf-8"))["dropped"]]


def _summary(source: Source, clips: Sequence[Clip], dropped: Sequence[str]) -> str:
    """Return in a line how much a source has, and what is said of it."""
    glosses, seconds = len({clip.gloss for clip in clips}), sum(clip.frames / clip.fps for clip in clips)
    lost = f", {len(dropped)} dropped" if dropped else ""
    signers = len({person(clip.signer) for clip in clips})
    by = f" by {signers} signers" if signers > 1 else ""
    held = f"{counted(len(clips), 'clip')} of {counted(glosses, 'gloss')}{by}, {seconds:.0f} seconds{lost}"
    return "; ".join(filter(None, [held, terms_of(source)]))


def _line(name: str, outcome: Outcome, row: dict[str, Any]) -> str:
    """Say one failure in one line: source, gloss, clip first."""
    where = [f"{key} {row[key]}" for key in ("gloss", "clip") if key in row]
    found = [f"{key}: {value}" for key, value in row.items() if key not in ("gloss", "clip")]
    head = "the glossary" if name == "glossary" else f"source {name}"
    return f"{', '.join([head, *where])}: fails {outcome.text!r}{f' ({found[0]})' if found else ''}"


def page(corpus: str, results: Sequence[Result]) -> str:
    """Return the results as one HTML page that needs nothing else."""
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.j2").render(corpus=corpus, results=results)
