"""Who allows what until when, as a table or as JSON."""

import json
from dataclasses import asdict
from datetime import date
from typing import Any

from rich.console import Console
from rich.table import Table

from calse.config.params import Params
from calse.data.consent import USES, Consent, Grant, needed_uses, read_consent
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError, one_line


def print_consent(params: Params, layout: Layout, as_json: bool) -> None:
    """Print every grant with what the study needs of it. Raises CalseError when something needed is not allowed."""
    consent, today = read_consent(params, layout), date.today()
    grants = [grant for name in consent.sources for grant in _grants(layout, consent, name)]
    rows = [_row(params, grant, today) for grant in grants]
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print_table(rows)
    lacking = [f"source {row['source']} {row['signer']}".strip() for row in rows if row["missing"]]
    if lacking:
        raise CalseError(
            f"{', '.join(lacking)}: what the study needs is not allowed; ask, and write it into {consent.file}, or: "
            "calse forget"
        )


def _grants(layout: Layout, consent: Consent, source: str) -> list[Grant]:
    """Return a source's own grant, those of the signers listed, and one of nothing for each who should be listed."""
    listed = [grant for grant in consent.signers if grant.source == source]
    manifest = layout.source_manifest(source)
    signers = sorted({clip.signer for clip in read_manifest(manifest)} if manifest.is_file() else ())
    unlisted = [signer for signer in signers if not consent.grants_of(source, signer)]
    nothing = dict.fromkeys(USES, False)
    denied = [
        Grant(source, signer, **nothing, until=None, licence="", consent="not listed")  # nobody said anything of them
        for signer in unlisted
    ]
    return [consent.sources[source], *listed, *denied]


def _row(params: Params, grant: Grant, today: date) -> dict[str, Any]:
    """Return a grant with what the study needs of it and does not have."""
    missing = [use for use in needed_uses(params, grant.source) if not grant.allows(use, today)]
    until = {"until": grant.until and grant.until.isoformat(), "over": grant.is_over(today)}
    return asdict(grant) | until | {"missing": missing}


def _print_table(rows: list[dict[str, Any]]) -> None:
    """Print the grants, those with something missing in red."""
    names = ["source", "signer", *USES, "until", "licence", "consent"]
    table = Table(*names, "missing", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        cells = [{True: "yes", False: "no"}[row[name]] if name in USES else row[name] or "" for name in names]
        cells[names.index("signer")] = row["signer"] or "(everybody)"
        cells[names.index("until")] += " over" if row["over"] else ""
        table.add_row(*map(one_line, cells), ", ".join(row["missing"]), style="bold red" if row["missing"] else "")
    console = Console(markup=False)
    console.width = console.measure(table, options=console.options.update(max_width=1000)).maximum  # a pipe has 80
    console.print(table)
