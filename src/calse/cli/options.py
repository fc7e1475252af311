"""Options and arguments that several commands share. A path that a user gives is relative to where they stand."""

from pathlib import Path
from typing import Annotated, Any

import typer

from calse.runtime.repository import from_root


def path_argument(metavar: str, help: str | None = None) -> Any:
    """Return a path, or one after the other."""
    return typer.Argument(parser=from_root, metavar=metavar, help=help)


def path_option(metavar: str, help: str, *names: str, envvar: str | None = None) -> Any:
    """Return an option that takes a path."""
    return typer.Option(*names, parser=from_root, metavar=metavar, help=help, envvar=envvar)


Videos = Annotated[list[Path], path_argument("VIDEO...", "of any format that `import` takes, of any length")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON and nothing else")]
Seconds = Annotated[float, typer.Option(min=1, help="CPU seconds that reading one video may take")]
KEY = "a PEM file with the private key and certificates that sign the C2PA marks, instead of a self-made one"
KeyOption = Annotated[Path | None, path_option("FILE", KEY, "--key", envvar="CALSE_SIGNING_KEY")]
Label = Annotated[bool, typer.Option("--label", help="say in the pictures, too, that they are not as filmed")]
