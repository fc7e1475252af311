"""Commands that make something to look at. Imports live inside the commands."""

import typer

from calse.data.paths import Layout

looking = typer.Typer()


@looking.command()
def browse() -> None:
    """Write a folder that opens from disk: play every clip beside its versions, see every prediction."""
    from calse.browse.browse import browse
    from calse.config.params import read_params

    layout = Layout()
    what = browse(read_params(), layout)
    print(f"{what}\nopen in a browser: {layout.browser()}")
