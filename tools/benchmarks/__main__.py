"""`python -m benchmarks`: every work against its peer; `... compare NAME`, `... growth`, `... study` for parts."""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from calse.runtime.errors import CalseError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
HERE = Path(__file__).parent
Folder = Annotated[Path, typer.Option(help="where the table and the picture go")]


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """Run every work when no command is given."""
    if context.invoked_subcommand is None:
        compare()


@app.command()
def compare(
    names: Annotated[list[str] | None, typer.Argument(help="works; all when none is named")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="rounds of a work, at most")] = 21,
    seconds: Annotated[float, typer.Option(help="seconds of a work after which no round starts")] = 30,
    folder: Folder = HERE,
) -> None:
    """Time works in turns with their peers and limits; write results.csv and results.png."""
    from benchmarks.machine import describe_machine
    from benchmarks.picture import draw
    from benchmarks.race import Setting, run_race
    from benchmarks.results import add_rows, line_of, rows_of
    from benchmarks.works import WORKS

    unknown = [name for name in names or [] if name not in WORKS]
    if unknown:
        raise CalseError(f"there is no work {unknown[0]!r}; those are: {', '.join(WORKS)}")
    for name in names or WORKS:
        with tempfile.TemporaryDirectory() as temporary, ExitStack() as cleanup:
            try:
                figures = run_race(WORKS[name](Setting(Path(temporary), False, cleanup)), rounds, seconds)
            except CalseError as error:
                print(f"{name}: left out: {error}", file=sys.stderr)
                continue
        rows = rows_of(name, figures, describe_machine())
        print("\n".join(map(line_of, rows)), flush=True)
        draw(add_rows(folder / "results.csv", list(WORKS), rows), folder / "results.png")


@app.command()
def growth(
    names: Annotated[list[str] | None, typer.Argument(help="stages; all when none is named")] = None,
    base: Annotated[int, typer.Option(min=2, help="clips at 1x of the slow stages, a quarter of the others'")] = 8,
    folder: Folder = HERE,
) -> None:
    """Run stages on 1x, 4x and 16x clips or rows; write growth.csv and growth.png."""
    from benchmarks.growth import grow

    grow(names or [], base, folder / "growth.csv")


@app.command()
def study(
    glosses: Annotated[list[int] | None, typer.Argument(help="three sizes, as 10 100 1000")] = None,
    kept: Annotated[Path | None, typer.Option(help="where the studies stay, to go on with; else nowhere")] = None,
    folder: Folder = HERE,
) -> None:
    """Rebuild whole studies of more and more glosses, five tiny clips of each; write study.csv."""
    from benchmarks.study import grow_study

    with tempfile.TemporaryDirectory() as temporary:
        grow_study(glosses or [4, 20, 100], folder / "study.csv", kept or Path(temporary))


@app.command()
def repro(
    targets: Annotated[list[str] | None, typer.Argument(help="stages; all when none is named")] = None,
) -> None:
    """Rebuild the committed study in a temporary clone, one stage after the other, and say where the time goes."""
    from benchmarks.repro import time_repro

    time_repro(targets or [])


@app.command()
def looking(
    clips: Annotated[int, typer.Option(min=3, help="clips on the page")] = 1000,
    opened: Annotated[int, typer.Option(min=1, help="times that it is opened")] = 5,
    moves: Annotated[int, typer.Option(min=1, help="times that the next clip is asked for, each time")] = 12,
    folder: Folder = HERE,
) -> None:
    """Open the page of `calse browse` in Chromium; write looking.csv."""
    from benchmarks.looking import measure_page

    measure_page(clips, opened, moves, folder / "looking.csv")


def main() -> None:
    """Run a command; an expected error is one line on stderr and exit code 1."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the stages run
    try:
        app()
    except CalseError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
