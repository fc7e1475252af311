"""Commands that make something to look at. Imports live inside the commands."""

from pathlib import Path
from typing import Annotated

import typer

from calse.cli.commands import require_donor
from calse.cli.options import AsJson, KeyOption, Seconds, Videos, path_argument, path_option
from calse.cli.publishing import marking
from calse.data.paths import Layout
from calse.runtime.errors import CalseError, counted, print_warnings

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
    video: Annotated[Path, path_argument("VIDEO")],
    target: Annotated[Path, path_option("FILE", "the new video, or NAME.pose", "--output", "-o")],
) -> None:
    """Draw face, arms and hands, as the stage landmarks finds them, on any video; or write them as a .pose file."""
    from calse.browse.overlay import overlay
    from calse.config.params import read_params

    found = overlay(read_params(), Layout(), video, target)
    left, right = found.has_hands.mean(axis=0)
    shares = {"face": found.has_face.mean(), "body": found.has_body.mean(), "left hand": left, "right hand": right}
    frames = ", ".join(f"{what} in {share:.0%}" for what, share in shares.items())
    print(f"{target}: {counted(len(found.face), 'frame')}; {frames}")


@looking.command()
def predict(
    checkpoint: Annotated[Path, path_argument("CHECKPOINT", "what was trained: .../seed-1.safetensors, or an index")],
    videos: Videos,
    as_json: AsJson = False,
    seconds: Seconds = 120,
    preview: Annotated[
        Path | None, path_option("FOLDER", "also write each video with its landmarks, beside its best glosses")
    ] = None,
    elan: Annotated[
        Path | None, path_option("FOLDER", "also write an ELAN file a video, with tiers of predictions")
    ] = None,
) -> None:
    """Name the ten most probable glosses of each video."""
    import sys
    from functools import partial

    from calse.browse.annotate import annotate
    from calse.browse.preview import preview_predictions, preview_targets
    from calse.config.params import read_params
    from calse.data.elan import check_extra
    from calse.landmarks.following import load_networks
    from calse.recognition.predict import predict_videos, print_results

    if checkpoint.is_dir():
        raise CalseError(f"{checkpoint} is a folder; name a checkpoint in it, such as seed-1.safetensors")
    pictured = preview_targets(preview, videos) if preview else []
    annotated = preview_targets(elan, videos, suffix=".eaf") if elan else []
    params = None
    if preview:  # what is missing is better missed now than after the predictions
        params = read_params()
        load_networks(Layout())
    if elan:
        check_extra()
    predictions = predict_videos(checkpoint, videos, seconds)
    read = [place for place, one in enumerate(predictions) if not one.refused]
    say = partial(print, file=sys.stderr if as_json else sys.stdout)
    if params:
        shown = [(videos[place], predictions[place].glosses, pictured[place]) for place in read]
        preview_predictions(params, Layout(), shown)
        for _, _, target in shown:
            say(f"{target}: landmarks drawn in, beside the best glosses")
    if elan:
        annotate([(videos[place], predictions[place].glosses, annotated[place]) for place in read], seconds)
        for place in read:
            say(f"{annotated[place]}: the best glosses as tiers")
    print_results(predictions, as_json)


@looking.command()
def serve(
    model: Annotated[
        list[Path] | None, path_option("CHECKPOINT", "what was trained, as for `predict`; repeatable")
    ] = None,
    index: Annotated[Path | None, path_option("INDEX", "what `enrol` has made, for look-up")] = None,
    donor: Annotated[str, typer.Option(help="for anonymised copies, a source of kind donor")] = "",
    donor_video: Annotated[
        list[Path] | None, path_option("VIDEO", "or somebody who speaks and turns the head; repeatable")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="of this machine alone; 0: any free one")] = 8000,
    key: KeyOption = None,
) -> None:
    """Open a page of this machine alone: drop or record a clip, get its glosses and an anonymised copy."""
    from calse.config.params import read_params
    from calse.faceswap.anonymise import Swapper
    from calse.faceswap.donor import DonorRequest, donor_of
    from calse.runtime.loopback import listen
    from calse.serve.models import load_models
    from calse.serve.server import serve

    listener = listen(port, "serve")
    swapper = None
    if donor or donor_video:
        params = read_params()
        if donor:
            require_donor(donor)
        face = donor_of(params, Layout(), DonorRequest("mesh", donor, tuple(donor_video or ())))
        print_warnings(face.warnings)
        swapper = Swapper(params, Layout(), face, marking(key), label=False, unswapped="blur")
    serve(load_models(model or [], index, swapper, Layout()), listener)
