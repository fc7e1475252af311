"""The table of figures: a CSV in which a work's lines are replaced when it is run again."""

from pathlib import Path

from benchmarks.race import Measured
from calse.data.manifests import read_rows, write_rows

COLUMNS = ["work", "figure", "unit", "median", "lowest", "highest", "rounds", "target", "reached", "machine"]
Row = dict[str, str]


def rows_of(work: str, figures: list[Measured], machine: str) -> list[Row]:
    """Return a work's figures as lines of the table, three digits each."""
    return [
        {
            "work": work,
            "figure": one.figure.label,
            "unit": one.figure.unit,
            "median": f"{one.median:.3g}",
            "lowest": f"{one.lowest:.3g}",
            "highest": f"{one.highest:.3g}",
            "rounds": str(one.rounds),
            "target": target_of(one),
            "reached": {None: "", True: "yes", False: "no"}[one.reached],
            "machine": machine,
        }
        for one in figures
    ]


def target_of(one: Measured) -> str:
    """Return the target with its direction, `>=3` or `<=5`; empty when there is none."""
    if one.figure.target is None:
        return ""
    return f"{'<=' if one.figure.at_most else '>='}{one.figure.target:g}"


def add_rows(
    path: Path, order: list[str], rows: list[Row], key: str = "work", columns: list[str] = COLUMNS
) -> list[Row]:
    """Put a work's lines into the CSV in the place of its old ones, works in `order`; return all lines.

    `key` is the column of the work's name.
    """
    kept = read_rows(path, columns) if path.is_file() else []
    new = {row[key] for row in rows}
    every = [row for row in kept if row[key] not in new and row[key] in order] + rows
    every.sort(key=lambda row: order.index(row[key]))
    write_rows(path, columns, every)
    return every


def line_of(row: Row) -> str:
    """Return a figure as one line to read."""
    outcome = {"yes": f" reached {row['target']}", "no": f" NOT {row['target']}", "": ""}[row["reached"]]
    return f"{row['figure']}: {row['median']} {row['unit']} [{row['lowest']}..{row['highest']}]{outcome}"
