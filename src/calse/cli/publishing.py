"""Commands about what leaves the study: publish, verify, and how generated videos are marked. Imports live inside."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calse.cli.options import KeyOption, Label, path_argument, path_option
from calse.runtime.errors import CalseError

if TYPE_CHECKING:
    from calse.video.marks.mark import Mark

publishing = typer.Typer()


def marking(key: Path | None) -> "Mark":
    """Return what writes a video with its C2PA mark; where c2pa is not installed, what leaves it without.

    Raises CalseError when the key cannot sign, or was given in vain.
    """
    import importlib.util

    from calse.video.marks.mark import Marker, unmarked
    from calse.video.marks.signing_key import signing_key

    if key is None and importlib.util.find_spec("c2pa") is None:
        print('no C2PA mark is made, only an unsigned comment in the video; it needs the extra "publish": make extras')
        return unmarked
    marker = Marker(signing_key(key))
    if marker.key.self_made:
        print("C2PA marks are signed with a self-made certificate, for which nobody vouches; --key takes your own")
    return marker.mark


@publishing.command()
def verify(
    files: Annotated[list[Path], path_argument("FILE...")],
    trust: Annotated[
        list[Path] | None, path_option("FILE", "PEM certificates whose signatures you trust; repeatable")
    ] = None,
) -> None:
    """Say what the C2PA marks of files tell, and whether the files are as they were signed; exit code 1 if not."""
    from calse.video.marks.verify import print_verified, verify_files

    print_verified(verify_files(files, trust or []))


@publishing.command()
def publish(
    folder: Annotated[Path, path_argument("OUT", "a folder that is made")], key: KeyOption = None, label: Label = False
) -> None:
    """Write a folder for an archive or a hub: all that may be shared, marked, described, with cards and checksums."""
    import importlib.util

    from calse.config.params import read_params
    from calse.data.paths import Layout
    from calse.publish.publish import print_published, publish

    if not all(map(importlib.util.find_spec, ("c2pa", "mlcroissant", "rocrate"))):
        raise CalseError('calse publish needs the extra "publish": make extras')
    print_published(publish(read_params(), Layout(), folder, marking(key), label))
