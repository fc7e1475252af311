"""Suites of Great Expectations put to the tables of a corpus. What is expected stands in suites.yaml."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ruamel.yaml import YAML

from calse.config.params import Source, Validate
from calse.data.clips import COLUMNS, Clip
from calse.runtime.errors import CalseError

if TYPE_CHECKING:
    import great_expectations as gx

SUITES = Path(__file__).with_name("suites.yaml")
Severity = Literal["critical", "warning"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of an expectation; each offender holds the names and the value that was not expected."""

    text: str
    severity: Severity
    expectation: str
    passed: bool
    offenders: list[Row]


@dataclass(frozen=True)
class Table:
    """Rows that a suite is put to; `names` are the columns that tell an offender. It may be empty."""

    columns: Sequence[str]
    names: Sequence[str]
    rows: list[Row]


def glossary_table(glosses: list[str]) -> Table:
    """Return a row a gloss of glossary.csv."""
    return Table(["gloss"], [], [{"gloss": gloss} for gloss in glosses])


def clip_table(
    clips: list[Clip],
    everywhere: list[Clip],
    tested_on: Mapping[str, str],
    denied: Mapping[str, str],
    root: Path,
) -> Table:
    """Return a row a clip of a source: the manifest's columns and, under names of their own,

    - `same content as`: the first clip of the corpus with this content, which should be this very clip
    - `tested on`: who of those tested on it shows, by `tested_on`; empty where nobody
    - `not allowed`: what is done with it though nobody allows it, by `denied`; empty where nothing is
    - `file`: the bytes of its file, empty without one
    - `raw frames`, `raw frames a second`, `raw short side`, `raw long side` of the file that it was ingested from
    - `doubts`: why it may not look as it was filmed, empty without any
    """
    owner: dict[str, str] = {}
    for clip in everywhere:
        owner.setdefault(clip.content, clip.clip)
    rows = []
    for clip in clips:
        made, path = clip.details, root / clip.path
        facts = {
            "same content as": owner[clip.content],
            "tested on": tested_on.get(clip.clip),
            "not allowed": denied.get(clip.clip) or None,
            "file": path.stat().st_size if path.is_file() else None,
            "raw frames": made["raw_frames"],
            "raw frames a second": made["raw_fps"],
            "raw short side": min(made["raw_width"], made["raw_height"]),
            "raw long side": max(made["raw_width"], made["raw_height"]),
            "doubts": "; ".join(made.get("doubts", [])) or None,
        }
        rows.append(asdict(clip) | facts)
    added = ["same content as", "tested on", "not allowed", "file", "doubts"]
    added += ["raw frames", "raw frames a second", "raw short side", "raw long side"]
    return Table([*COLUMNS, *added], ["clip", "gloss"], rows)


def count_table(clips: list[Clip], glossary: list[str], dropped: list[str]) -> Table:
    """Return a row a gloss of the glossary: how many `clips` a source has of it, `dropped clips` counted, and those."""
    found, lost = Counter(clip.gloss for clip in clips), Counter(dropped)
    counts = [{"gloss": gloss, "clips": found[gloss] + lost[gloss], "dropped clips": lost[gloss]} for gloss in glossary]
    return Table(["gloss", "clips", "dropped clips"], ["gloss"], counts)


def parameters_of(source: Source, limits: Validate, glossary: list[str]) -> dict[str, Any]:
    """Return the values that suites.yaml names in an expectation or its text."""
    wanted = source.clips_per_gloss
    words = "at least 1" if wanted is None else f"exactly {wanted}"
    return asdict(limits) | {
        "glossary": glossary,
        "least_clips": 1 if wanted is None else wanted,
        "most_clips": wanted or None,
        "clips_wanted": "any number" if wanted == 0 else words,
    }


def read_suites() -> dict[str, list[Row]]:
    """Return every suite of suites.yaml by name."""
    suites: dict[str, list[Row]] = YAML(typ="safe", pure=True).load(SUITES)
    return suites


def open_context() -> "gx.data_context.EphemeralDataContext":
    """Return a Great Expectations context that leaves nothing on disk and sends no usage data."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    in_memory = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)  # else a folder of /tmp is left behind
    context = gx.get_context(mode="ephemeral", project_config=DataContextConfig(store_backend_defaults=in_memory))
    context.variables.progress_bars = {"globally": False}
    return context


def run_suite(
    context: "gx.data_context.EphemeralDataContext",
    name: str,
    suite: list[Row],
    table: Table,
    parameters: Mapping[str, Any],
) -> list[Outcome]:
    """Put a suite to a table of the source `name`. Raises CalseError naming the expectation that cannot be tried."""
    import great_expectations as gx
    import pandas as pd
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    frame = pd.DataFrame(table.rows, columns=list(table.columns))
    try:
        # A suite itself would leave out what it cannot build.
        expectations = [ExpectationConfiguration(**expectation).to_domain_obj() for expectation in suite]
        source = context.data_sources.add_or_update_pandas(name)
        batch = source.add_dataframe_asset("table").add_batch_definition_whole_dataframe("all")
        found = batch.get_batch({"dataframe": frame}).validate(
            gx.ExpectationSuite(name, expectations=expectations),
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": list(table.names)},
            expectation_parameters=dict(parameters),
        )
        outcomes = {one.expectation_config.description: _outcome(name, one, parameters) for one in found.results}
    except (gx.exceptions.GreatExpectationsError, KeyError, TypeError, ValueError) as error:
        raise CalseError(f"{SUITES.name} cannot be put to {name}: {' '.join(str(error).split())}") from None
    return [outcomes[expectation["description"]] for expectation in suite]  # as they stand in the file


def _outcome(name: str, result: Any, parameters: Mapping[str, Any]) -> Outcome:
    """Return what became of an expectation. Raises CalseError when it could not be tried."""
    expected, found = result.expectation_config, result.result
    text = expected.description.format_map(parameters)
    broken = _exception_in(result.exception_info)
    if broken:
        raise CalseError(f"source {name}: the check {text!r} could not be made: {broken}")
    offenders = [
        {name: _plain(value) for name, value in row.items()} for row in found.get("unexpected_index_list") or []
    ]
    if not result.success and "observed_value" in found:
        offenders = [{"found": _plain(found["observed_value"])}]
    return Outcome(text, expected.severity.value, expected.type, bool(result.success), offenders)


def _plain(value: Any) -> Any:
    """Return a numpy number as Python's, and what is not there as a word."""
    if value is None or value != value:
        return "missing"
    return value.item() if hasattr(value, "item") else value


def _exception_in(info: Any) -> str:
    """Return the message of a check that crashed: one that did looks like one that failed."""
    if not isinstance(info, dict):
        return ""
    if info.get("raised_exception"):
        return str(info.get("exception_message"))
    return next((text for value in info.values() if (text := _exception_in(value))), "")
