"""Tables that people read in the documentation are those of the committed results."""

import io
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from calse.report.table import to_markdown

README, RESULTS = Path("README.md"), Path("docs/results")
STUDIES = sorted(path.parent for path in RESULTS.glob("*/table.csv"))


def committed(path: str) -> str:
    """A file of the last commit, or nothing: what lies in the working tree may be somebody's own rebuild."""
    return subprocess.run(["git", "show", f"HEAD:./{path}"], capture_output=True, text=True, check=False).stdout


def tables(text: str) -> dict[str, str]:
    """The top-1 table of each recogniser in a CSV of the report."""
    table = pd.read_csv(io.StringIO(text), dtype={"recipe": str, "test_source": str}, keep_default_na=False)
    table["delta"] = pd.to_numeric(table["delta"])
    return {name: to_markdown(rows, 1) for name, rows in table.groupby("recogniser")}


def test_a_csv_of_the_report_gives_the_table_of_its_markdown():
    text = (
        "recogniser,recipe,test_source,k,accuracy,clips,delta\n"
        "i3d,Baseline,SACU,1,0.5,14,0.0\ni3d,AF1,SACU,1,0.642857,14,0.142857\ni3d,AF1,SACU,5,1.0,14,0.0\n"
    )
    assert tables(text) == {"i3d": "| top-1 | SACU |\n|---|---|\n| Baseline | 50.0 |\n| AF1 | 64.3 (+14.3) |\n"}


def test_the_committed_table_of_the_demo_is_shown_beside_the_kept_studies():
    text = committed("metrics/report/table.csv")
    if not text:
        pytest.skip("no table of the demo is committed")
    assert tables(text)["i3d"] in (RESULTS / "README.md").read_text(encoding="utf-8"), "copy metrics/report/table.md's"


def test_the_readme_says_what_each_recipe_gains_with_its_interval():
    rows = pd.read_csv(RESULTS / "synthetic-100/comparisons.csv")
    rows = rows[(rows["recogniser"] == "i3d") & (rows["test_source"] == "mean") & (rows["k"] == 1)]
    text = " ".join(README.read_text(encoding="utf-8").split())
    better, rest = text.split("better in these trainings", 1)
    for _, row in rows.iterrows():
        gain, low, high = (100 * row[name] for name in ("delta", "low", "high"))
        said = f"{row['recipe']} {{}}{gain:.1f} [{low:.1f}, {high:.1f}]"
        where = better if row["outcome"] == "better" else rest.split("cannot be told from chance")[0]
        assert said.format("gains ") in where or said.format("") in where, row["recipe"]


@pytest.mark.parametrize("folder", STUDIES, ids=str)
def test_a_kept_study_shows_the_table_of_its_csv(folder: Path):
    shown = (folder / "README.md").read_text(encoding="utf-8")
    for recogniser, table in tables((folder / "table.csv").read_text(encoding="utf-8")).items():
        assert table in shown, f"copy that of {recogniser} from {folder}/table.md"
    assert tables((folder / "table.csv").read_text(encoding="utf-8"))["i3d"] in README.read_text(encoding="utf-8")
