"""What the gate expects of a source, put to Great Expectations, and what came out, as plain values."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from calse.config.params import Source, Validate
from calse.data.clips import Clip
from calse.runtime.errors import CalseError

if TYPE_CHECKING:
    import great_expectations as gx

Severity = Literal["critical", "warning"]
Row = dict[str, Any]


# Named here because a table may be empty.
_COLUMNS = {
    "clips": [
        "clip",
        "gloss",
        "same content as",
        "tested on",
        "file",
        "raw frames",
        "raw frames a second",
        "raw short side",
        "raw long side",
        "doubts",
    ],
    "glosses": ["gloss", "clips", "dropped clips"],
    "glossary": ["gloss"],
}


@dataclass(frozen=True)
class Check:
    """One expectation of a table's column. `names` are the columns that tell an offender."""

    text: str
    severity: Severity
    table: str
    kind: str
    names: tuple[str, ...]
    settings: Row


@dataclass(frozen=True)
class Outcome:
    """What became of a check; each offender holds the names and the value that was not expected."""

    text: str
    severity: Severity
    expectation: str
    passed: bool
    offenders: list[Row]


def tables_of(
    clips: list[Clip],
    everywhere: list[Clip],
    glossary: list[str],
    dropped: list[str],
    unfit: dict[str, str],
    root: Path,
) -> dict[str, list[Row]]:
    """Return the two tables of a source: one row a clip, and one row a gloss of the glossary, even without clips.

    `everywhere` are the clips of all sources, among which content must not repeat; `dropped` the glosses of clips
    that were left out by name; `unfit` says of clips why they must not lend a face.
    """
    owner: dict[str, str] = {}
    for clip in everywhere:
        owner.setdefault(clip.content, clip.clip)
    found, lost = Counter(clip.gloss for clip in clips), Counter(dropped)
    return {
        "clips": [_clip_row(clip, owner[clip.content], unfit.get(clip.clip, ""), root) for clip in clips],
        "glosses": [
            {"gloss": gloss, "clips": found[gloss] + lost[gloss], "dropped clips": lost[gloss]} for gloss in glossary
        ],
    }


def _clip_row(clip: Clip, owner: str, unfit: str, root: Path) -> Row:
    made = clip.details
    return {
        "clip": clip.clip,
        "gloss": clip.gloss,
        "same content as": "" if owner == clip.clip else owner,
        "tested on": unfit,
        "file": "there" if (root / clip.path).is_file() else "missing",
        "raw frames": made["raw_frames"],
        "raw frames a second": made["raw_fps"],
        "raw short side": min(made["raw_width"], made["raw_height"]),
        "raw long side": max(made["raw_width"], made["raw_height"]),
        "doubts": "; ".join(made.get("doubts", [])),
    }


def checks_for(source: Source, limits: Validate, glossary: list[str]) -> Iterator[Check]:
    """List what is expected of a source: critical where training would be wrong, a warning where it may suffer."""

    def clip(text: str, severity: Severity, kind: str, **settings: Any) -> Check:
        """Return a check of the clips."""
        return Check(text, severity, "clips", kind, ("clip", "gloss"), settings)

    def limit(column: str, low: float, high: float) -> Check:
        """Return a warning about a column outside its limits."""
        text = f"{column}: {low:g} to {high:g}"
        return clip(text, "warning", "ColumnValuesToBeBetween", column=column, min_value=low, max_value=high)

    if source.kind != "donor":
        yield clip(
            "every gloss is in the glossary", "critical", "ColumnValuesToBeInSet", column="gloss", value_set=glossary
        )
        yield from _count_checks(source.clips_per_gloss)
    else:
        text = "nobody who is tested on lends a face"
        yield clip(text, "critical", "ColumnValuesToBeInSet", column="tested on", value_set=[""])
    yield clip("clip ids are unique", "critical", "ColumnValuesToBeUnique", column="clip")
    yield clip(
        "no content repeats, here or in another source",
        "critical",
        "ColumnValuesToBeInSet",
        column="same content as",
        value_set=[""],
    )
    yield clip("every file is there", "critical", "ColumnValuesToBeInSet", column="file", value_set=["there"])
    yield clip(
        "a clip moves: 2 raw frames or more", "critical", "ColumnValuesToBeBetween", column="raw frames", min_value=2
    )
    yield clip("a clip looks as it was filmed", "warning", "ColumnValuesToBeInSet", column="doubts", value_set=[""])
    yield limit("raw frames", limits.min_frames, limits.max_frames)
    yield limit("raw frames a second", limits.min_fps, limits.max_fps)
    yield limit("raw short side", limits.min_side, limits.max_side)
    yield limit("raw long side", limits.min_side, limits.max_side)


def _count_checks(wanted: int | None) -> Iterator[Check]:
    """A gloss may lack only what was dropped by name, and then it is a warning."""
    text = f"clips of every gloss, dropped ones counted: {f'exactly {wanted}' if wanted else 'at least 1'}"
    bounds = {"column": "clips", "min_value": wanted or 1, "max_value": wanted}
    yield Check(text, "critical", "glosses", "ColumnValuesToBeBetween", ("gloss",), bounds)
    bounds = {"column": "dropped clips", "max_value": 0}
    yield Check("no clip was dropped at ingest", "warning", "glosses", "ColumnValuesToBeBetween", ("gloss",), bounds)


def glossary_check(wanted: int) -> Check:
    """Expect the glossary to be as long as params.yaml says."""
    settings = {"value": wanted}
    return Check(f"the glossary lists {wanted} glosses", "critical", "glossary", "TableRowCountToEqual", (), settings)


def open_context() -> "gx.data_context.EphemeralDataContext":
    """Return a Great Expectations context that leaves nothing on disk and tells nobody."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    in_memory = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)  # else a folder of /tmp is left behind
    context = gx.get_context(mode="ephemeral", project_config=DataContextConfig(store_backend_defaults=in_memory))
    context.variables.progress_bars = {"globally": False}
    return context


def run_checks(
    context: "gx.data_context.EphemeralDataContext", name: str, tables: dict[str, list[Row]], checks: list[Check]
) -> list[Outcome]:
    """Validate the tables of one source. Raises CalseError when a check itself breaks."""
    import pandas as pd

    source = context.data_sources.add_pandas(name)
    batches = {}
    for table, rows in tables.items():
        asset = source.add_dataframe_asset(table)
        batches[table] = asset.add_batch_definition_whole_dataframe("all").get_batch(
            {"dataframe": pd.DataFrame(rows, columns=_COLUMNS[table])}
        )
    return [_run(batches[check.table], check, name) for check in checks]


def _run(batch: Any, check: Check, name: str) -> Outcome:
    import great_expectations.expectations as gxe

    expectation = getattr(gxe, f"Expect{check.kind}")(severity=check.severity, **check.settings)
    form = {"result_format": "COMPLETE", "unexpected_index_column_names": list(check.names)}
    result = batch.validate(expectation, result_format=form)
    broken = _exception_in(result.exception_info)
    if broken:
        raise CalseError(f"source {name}: the check {check.text!r} could not be made: {broken}")
    found = result.result
    offenders = [
        {name: _plain(value) for name, value in row.items()} for row in found.get("unexpected_index_list") or []
    ]
    if not result.success and "observed_value" in found:
        offenders = [{"found": _plain(found["observed_value"])}]
    return Outcome(check.text, check.severity, f"Expect{check.kind}", bool(result.success), offenders)


def _plain(value: Any) -> Any:
    """Return a numpy number as Python's."""
    return value.item() if hasattr(value, "item") else value


def _exception_in(info: Any) -> str:
    """Return the message of a check that crashed: one that did looks like one that failed."""
    if not isinstance(info, dict):
        return ""
    if info.get("raised_exception"):
        return str(info.get("exception_message"))
    return next((text for value in info.values() if (text := _exception_in(value))), "")
