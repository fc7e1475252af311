"""Commands that make something to look at. Imports live inside the commands."""

from pathlib import Path
from typing import Annotated

import typer

from calse.cli.commands import AsJson, Seconds, Videos
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.repository import from_root

looking = typer.Typer()


@looking.command()
def browse() -> None:
    """Write a folder that opens from disk: play every clip beside its versions, see every prediction."""
    from calse.browse.browse import browse
    from calse.config.params import read_params

    layout = Layout()
    what = browse(read_params(), layout)
    print(f"{what}\nopen in a browser: {layout.browser()}")


@looking.command()
def overlay(
    video: Annotated[Path, typer.Argument(parser=from_root, metavar="VIDEO")],
    target: Annotated[Path, typer.Option("--output", "-o", parser=from_root, metavar="FILE", help="the new video")],
) -> None:
    """Draw face, arms and hands, as the stage landmarks finds them, on any video."""
    from calse.browse.overlay import overlay
    from calse.config.params import read_params

    found = overlay(read_params(), Layout(), video, target)
    left, right = found.has_hands.mean(axis=0)
    shares = {"face": found.has_face.mean(), "body": found.has_body.mean(), "left hand": left, "right hand": right}
    frames = ", ".join(f"{what} in {share:.0%}" for what, share in shares.items())
    print(f"{target}: {len(found.face)} frames; {frames}")


@looking.command()
def predict(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            parser=from_root, metavar="CHECKPOINT", help="what was trained: .../seed-1.safetensors, or an index"
        ),
    ],
    videos: Videos,
    as_json: AsJson = False,
    seconds: Seconds = 120,
    preview: Annotated[
        Path | None,
        typer.Option(
            parser=from_root, metavar="FOLDER", help="also write each video with its landmarks, beside its best glosses"
        ),
    ] = None,
) -> None:
    """Name the ten most probable glosses of each video."""
    from calse.recognition.predict import predict_videos, print_answers

    if checkpoint.is_dir():
        raise CalseError(f"{checkpoint} is a folder; name a checkpoint in it, such as seed-1.safetensors")
    if not preview:
        print_answers(predict_videos(checkpoint, videos, seconds), as_json)
        return
    from calse.browse.preview import preview_predictions, preview_targets
    from calse.config.params import read_params
    from calse.landmarks.following import load_networks

    targets = preview_targets(preview, videos)
    params = read_params()
    load_networks(Layout())  # better missed now than after the predictions
    answers = predict_videos(checkpoint, videos, seconds)
    found = [
        (video, one.glosses, to) for video, one, to in zip(videos, answers, targets, strict=True) if not one.refused
    ]
    preview_predictions(params, Layout(), found)
    print_answers(answers, as_json)
