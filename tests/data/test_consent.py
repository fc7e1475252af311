"""What people allow: read from params.yaml and a table of signers, asked clip by clip, ended by a date."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from calse.cli.stages import app
from calse.config.params import Source
from calse.data.consent import check_dates, needed_uses, read_consent, require, terms_of
from calse.data.consent_view import print_consent
from calse.data.manifests import write_manifest
from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.runtime.errors import CalseError
from toys import PRESET, make_repository
from videos import small_params

TODAY = date.today()
HEADER = "source,signer,train,swap,show,share,until,licence,consent\n"


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Layout()


def study(**sources):
    params = replace(small_params(sources=("SACU", "STS")), test_sources=("SACU",))
    return replace(params, corpus=replace(params.corpus, sources=params.corpus.sources | sources))


def lay(layout, rows, header=HEADER):
    file = layout.consent(study().corpus.name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(header + rows, encoding="utf-8")
    return file


class Of:
    def __init__(self, source, signer):
        self.source, self.signer = source, signer


def test_a_source_and_a_signer_must_both_allow_a_use(layout):
    lay(layout, "SACU,Ana,,no,yes,,,CC0,\nSACU,,,,no,,,,everybody else\n")
    consent = read_consent(study(SACU=Source("public", 1, train=False), STS=Source("public", 1)), layout)
    allowed = {use: consent.permits(Of("SACU", "ana "), use) for use in ("train", "swap", "show", "share")}
    assert allowed == {"train": False, "swap": False, "show": False, "share": True}
    assert consent.permits(Of("STS", "Ana"), "swap")
    assert consent.denied_sources("swap") == {"SACU"}
    assert consent.denied_sources("share") == frozenset()


def test_who_is_not_listed_among_the_signers_of_a_source_allows_nothing(layout):
    lay(layout, "SACU,Ana,,,,,,,\n")
    consent = read_consent(study(), layout)
    assert consent.permits(Of("SACU", "ANA"), "train")
    assert not consent.permits(Of("SACU", "Eva"), "train")
    assert consent.permits(Of("STS", "Eva"), "train")
    assert not consent.permits(Of("UNKNOWN", "Ana"), "train")


def test_the_last_day_counts_and_the_next_does_not(layout):
    lay(layout, f"SACU,Ana,,,,,{TODAY},,\nSTS,Ana,,,,,{TODAY - timedelta(days=1)},,\n")
    consent = read_consent(study(), layout)
    assert consent.permits(Of("SACU", "Ana"), "show")
    assert not consent.permits(Of("STS", "Ana"), "show")
    assert consent.denied_sources("share") == {"STS"}


def test_tables_of_spreadsheets_are_read(layout):
    header = HEADER.replace(",", ";")
    lay(layout, "SACU;Ana;Yes;FALSE;;;2999-12-31;;\n", header)
    consent = read_consent(study(), layout)
    assert [consent.permits(Of("SACU", "Ana"), use) for use in ("train", "swap")] == [True, False]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            "SACU,Ana,,,,,31/12/2026,,\n",
            r"mine\.csv: source SACU, signer Ana: until is '31/12/2026'; write a day as 20",
        ),
        ("SACU,Ana,maybe,,,,,,\n", r"mine\.csv: source SACU, signer Ana: train is 'maybe'; write yes or no"),
        ("SACO,Ana,,,,,,,\n", r"mine\.csv: 'SACO' is no source of corpus mine; those are: SACU, STS"),
        ("SACU,Ana,,,,,,,\nSACU,ANA,no,,,,,,\n", r"source SACU, signer ANA is listed twice, also as 'Ana'"),
    ],
)
def test_a_wrong_row_is_refused_by_its_signer(layout, rows, says):
    lay(layout, rows)
    with pytest.raises(CalseError, match=says) as caught:
        read_consent(study(), layout)
    assert "\n" not in str(caught.value)


def test_a_missing_column_is_refused(layout):
    lay(layout, "SACU,Ana\n", "source,signer\n")
    with pytest.raises(
        CalseError,
        match=r"mine\.csv needs a first line that names its columns, among them source, .*; it lacks train, swap",
    ):
        read_consent(study(), layout)


def test_a_grant_that_has_ended_stops_everything_and_says_whose(layout):
    ended = Source("public", 1, until="2020-02-29")
    with pytest.raises(CalseError, match=r"^source STS: consent ended on 2020-02-29; renew it in corpus\.sources\.STS"):
        check_dates(study(STS=ended), layout)
    lay(layout, "SACU,Ana,,,,,2020-01-01,,\nSACU,,,,,,2999-01-01,,\n")
    with pytest.raises(CalseError, match=r"^source SACU, signer Ana: .* 2020-01-01.*mine\.csv, or: calse forget 'Ana'"):
        check_dates(study(), layout)
    lay(layout, "SACU,,,,,,2020-01-01,,\n")  # everybody's row, which params.yaml knows nothing of
    with pytest.raises(CalseError, match=r"^source SACU: .* renew it in .*mine\.csv, or: calse forget --source SACU"):
        check_dates(study(), layout)


def test_what_a_study_needs_of_a_source():
    params = study(D=Source("donor", None))
    assert {name: needed_uses(params, name) for name in params.corpus.sources} == {
        "SACU": [],  # the only test source: nothing is ever trained on it
        "STS": ["train"],
        "D": ["swap"],
    }


def test_terms_are_one_line():
    denied = {"train": False, "swap": False, "show": False, "share": False}
    every = Source("public", 1, "CC0", "in writing", until="2030-01-01", **denied)
    assert terms_of(every) == (
        "licence: CC0; consent: in writing; until: 2030-01-01; not to be trained on; not to be swapped; "
        "not to be shown; not to be shared"
    )


@pytest.fixture
def ingested(layout):
    """Sources of which manifests are there: Ana and Eva sign for STS."""
    made = make_repository(layout.root)
    clips = read_split(made.split("Baseline")).clips
    for source in ("SACU", "STS"):
        own = [clip for clip in clips if clip.source == source]
        write_manifest(layout.source_manifest(source), [replace(own[0], signer="Ana"), replace(own[1], signer="Eva")])
    return layout


def test_a_use_that_a_signer_does_not_allow_is_refused_by_name(ingested):
    require(study(), ingested, ["SACU", "STS"], "swap")
    lay(ingested, "STS,Ana,,,,,,,\nSTS,Eva,,no,,,,,\n")
    with pytest.raises(CalseError, match=r"source STS, signer Eva: swap is not allowed; `calse consent` shows"):
        require(study(), ingested, ["SACU", "STS"], "swap")


def test_the_table_shows_who_allows_what_and_what_is_missing(ingested, capsys):
    print_consent(study(), ingested, as_json=True)
    assert {row["source"]: row["missing"] for row in json.loads(capsys.readouterr().out)} == {"SACU": [], "STS": []}
    lay(ingested, "STS,Ana,,,,,2020-01-01,CC0,by letter\n")
    said = []
    for as_json in (True, False):
        with pytest.raises(CalseError, match=r"source STS Ana, source STS Eva: what the study needs is not allowed"):
            print_consent(study(), ingested, as_json)
        said.append(capsys.readouterr().out)
    rows = {(row["source"], row["signer"]): row for row in json.loads(said[0])}
    assert rows["STS", "Ana"] | {"over": True, "until": "2020-01-01", "missing": ["train"]} == rows["STS", "Ana"]
    assert rows["STS", "Eva"] | {"train": False, "consent": "not listed", "missing": ["train"]} == rows["STS", "Eva"]
    assert "2020-01-01 over" in said[1]
    assert "by letter" in said[1]


@pytest.mark.parametrize("stage", [["ingest", "SACU"], ["validate"], ["report"]])
def test_no_stage_starts_after_the_last_day(layout, stage):
    tree = YAML(typ="safe", pure=True).load(PRESET)
    tree["corpus"]["sources"]["STS"]["until"] = "2020-02-29"
    Path("dvc.yaml").touch()
    with Path("params.yaml").open("w") as file:
        YAML(typ="safe", pure=True).dump(tree, file)
    with pytest.raises(CalseError, match="source STS: consent ended on 2020-02-29"):
        CliRunner().invoke(app, stage, catch_exceptions=False)
    CliRunner().invoke(app, ["preset", "--help"], catch_exceptions=False)
