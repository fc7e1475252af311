"""Commands about runs: MLflow made from what DVC knows, the way back, the model registry. Imports live inside."""

import os
from pathlib import Path
from typing import Annotated

import typer

from calse.cli.options import path_argument
from calse.data.paths import Layout
from calse.runtime.errors import CalseError, counted

runs = typer.Typer()
track = typer.Typer(no_args_is_help=True, help="MLflow, made from what DVC knows: sync, verify.")
runs.add_typer(track, name="track")


@runs.command()
def ui(port: Annotated[int, typer.Option(min=1, max=65535)] = 5000) -> None:
    """Open the MLflow UI on the table of trainings, on this machine only."""
    from calse.tracking.ui import serve

    serve(port)


@track.command("sync")
def track_sync() -> None:
    """Write what MLflow lacks or has wrong: the working tree's runs and every DVC experiment's."""
    from calse.tracking.sync import sync

    runs = [f"{counted(count, 'run')} {what}" for what, count in sorted(sync().items())]
    print(f"MLflow: {', '.join(runs) or 'no runs'}")


@track.command("verify")
def track_verify() -> None:
    """Compare MLflow's runs with what DVC knows; exit code 1 on any difference."""
    from calse.tracking.sync import verify

    drift, notes = verify()
    for line in [*drift, *(f"note: {note}" for note in notes)]:
        print(line)
    if drift:
        raise CalseError(
            f"{counted(len(drift), 'difference')} between MLflow and what DVC knows; to mend: calse track sync"
        )
    print("MLflow holds exactly what DVC knows")


@runs.command()
def lineage(
    path: Annotated[Path, path_argument("PATH")],
    as_json: Annotated[bool, typer.Option("--json", help="everything in full, as JSON")] = False,
) -> None:
    """Print the way back from a checkpoint, set, split or report: stages, parameters, clips, raw files, hashes."""
    from calse.tracking.lineage import lineage
    from calse.tracking.lineage_view import print_lineage, to_json

    found = lineage(Layout(), Path(os.path.relpath(path.parent.resolve() / path.name)).as_posix())
    print(to_json(found)) if as_json else print_lineage(found)


@runs.command()
def promote(
    run: Annotated[str, typer.Argument(help="a training's name or id in MLflow, such as i3d-AF1-SACU-1")],
    name: Annotated[str | None, typer.Option(help="the model's name in the registry")] = None,
) -> None:
    """Register a training's model in MLflow and check that it answers there as it does here."""
    from calse.tracking.place import given_uri, store_uri
    from calse.tracking.promote import promote

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # three bars for a copy within the disk
    place = "" if given_uri() else f"  mlflow.set_tracking_uri({store_uri()!r})\n"  # MLflow sets the variable itself
    name, version = promote(run, name)
    print(f"registered as {name}, version {version}; in Python:\n  import mlflow\n{place}", end="")
    print(f"  model = mlflow.pyfunc.load_model('models:/{name}/{version}')")
