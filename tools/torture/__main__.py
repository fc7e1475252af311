"""`python -m torture garbage`: the harness's commands, each with a table; exit code 1 when something did not hold."""

import sys
from pathlib import Path

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.command()
def garbage() -> None:
    """Send some 800 damaged and hostile videos through import, ingest and predict."""
    from torture.garbage import garbage, print_table

    outcomes = garbage()
    print_table(outcomes)
    sys.exit(not all(outcome.sound for outcome in outcomes))


@app.command()
def kills(each: int = 4, minutes: float = 20, seed: int = 1974) -> None:
    """Kill a toy study in each of its stages and between them, and compare it with one that nobody disturbed."""
    from torture.kills import kills, print_tally

    tally = kills(each, minutes, seed)
    print_tally(tally)
    sys.exit(bool(tally.faults))


@app.command()
def together() -> None:
    """Run two at once, with the store locked or deleted, with the cache elsewhere; one wins or waits and says so."""
    from torture.together import print_cases, together

    sys.exit(not print_cases(together()))


@app.command()
def starved() -> None:
    """Take disk, permission or memory away from commands; each says so in one line and goes on when it has more."""
    from torture.starved import starved
    from torture.together import print_cases

    sys.exit(not print_cases(starved()))


@app.command()
def nodes(seed: int = 1974) -> None:
    """Run a toy study on a Ray cluster of three nodes, then stages of it with a node killed, and compare the bytes."""
    from torture.nodes import nodes

    sys.exit(bool(nodes(seed)))


@app.command()
def licences() -> None:
    """Write docs/licences.md from the packages' own metadata."""
    from calse.runtime.files import write_text
    from torture.licences import licence_table

    write_text(Path("docs/licences.md"), licence_table())


@app.callback()
def main() -> None:
    """Show that nothing is lost, nothing is wrong and nothing escapes."""


if __name__ == "__main__":
    app()
