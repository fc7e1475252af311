"""The command line: a command for each stage; beside it lie those around them. Imports live inside commands."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from calse.cli.commands import tools
from calse.cli.importing import importing
from calse.cli.looking import looking
from calse.cli.people import people
from calse.cli.publishing import publishing
from calse.cli.tracking import runs
from calse.data.paths import Layout
from calse.runtime.errors import CalseError, lacks_memory, one_line, print_warnings
from calse.runtime.files import NO_ACCESS
from calse.runtime.lifeline import end_with_dvc
from calse.runtime.repository import enter_root, in_repository

if TYPE_CHECKING:
    from calse.config.params import Params

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Augmentation and face swapping for sign-language recognition. `dvc repro` runs all the stages in order.",
)
STAGES = "Stages of the pipeline"
RENAMED = {"affine": "augment", "faces": "landmarks", "face-models": "landmark-models"}
INTERRUPTED = 130  # how typer ends a command in which Ctrl-C was pressed
ANYWHERE = ("doctor", "predict", "verify")  # what needs no study around it


@app.callback()
def _stay_in_a_repository(context: typer.Context) -> None:
    """Refuse to start outside of a study, and to start a stage when a consent has ended."""
    if context.invoked_subcommand not in ANYWHERE and not in_repository() and "--help" not in sys.argv:
        raise CalseError(f"{Path.cwd()} holds no study: there is no dvc.yaml here or above; cd into your clone")
    command = context.command.commands.get(context.invoked_subcommand)  # type: ignore[attr-defined]
    if getattr(command, "rich_help_panel", "") == STAGES and "--help" not in sys.argv:
        from calse.config.params import read_params
        from calse.data.consent import check_dates

        check_dates(read_params(), Layout())  # here, for it looks at the clock, which must not reach what a stage makes


@app.command(rich_help_panel=STAGES)
def synthesise(corpus: str) -> None:
    """Make a corpus of synthetic signers."""
    from calse.config.params import read_params
    from calse.corpus.synthesise import synthesise

    synthesise(read_params(), Layout(), corpus)


@app.command(rich_help_panel=STAGES)
def ingest(source: str) -> None:
    """Check every raw clip of a source and bring it to one size, rate and codec."""
    from calse.config.params import read_params
    from calse.corpus.ingest import ingest

    ingest(read_params(), Layout(), source)


@app.command(rich_help_panel=STAGES)
def validate() -> None:
    """Hold the ingested sources against what the corpus promises."""
    from calse.config.params import read_params
    from calse.corpus.gate.validate import validate

    validate(read_params(), Layout())


@app.command(rich_help_panel=STAGES)
def augment(set_name: Annotated[str, typer.Argument(metavar="SET")]) -> None:
    """Make an augmentation set, clips generated from clips."""
    from calse.augment.stage import augment
    from calse.config.params import read_params

    augment(read_params(), Layout(), set_name)


@app.command(rich_help_panel=STAGES)
def landmark_models() -> None:
    """Fetch the published models of faces, hands and bodies, once."""
    from calse.config.params import read_params
    from calse.landmarks.models import landmark_models

    landmark_models(read_params(), Layout())


@app.command(rich_help_panel=STAGES)
def landmarks(source: str) -> None:
    """Find face, hands and upper body in every frame of a source."""
    from calse.config.params import read_params
    from calse.landmarks.extract import landmarks

    params = read_params()
    landmarks(params, Layout(), source)
    if source in params.sources_of("donor"):
        from calse.faceswap.donor import unsuitable  # shapes no output, so no stage depends on it

        print_warnings(unsuitable(params, Layout(), source))


@app.command(rich_help_panel=STAGES)
def swap_train(set_name: Annotated[str, typer.Argument(metavar="SET")]) -> None:
    """Make the model that a face-swapped set is drawn with."""
    from calse.config.params import read_params
    from calse.faceswap.train import swap_train

    params = read_params()
    _check_swappable(params, set_name)
    swap_train(params, Layout(), set_name)


@app.command(rich_help_panel=STAGES)
def swap(set_name: Annotated[str, typer.Argument(metavar="SET")]) -> None:
    """Make a face-swapped set and measure how well it came out."""
    from calse.config.params import read_params
    from calse.faceswap.convert import swap

    params = read_params()
    _check_swappable(params, set_name)
    swap(params, Layout(), set_name)


def _check_swappable(params: "Params", set_name: str) -> None:
    """Refuse a set of whose people somebody does not allow a swap; the gate knows donors alone."""
    from calse.data.consent import require

    if set_name in params.swap:
        require(params, Layout(), [params.swap[set_name].donor, params.swap[set_name].signers], "swap")


@app.command(rich_help_panel=STAGES)
def reidentify(set_name: Annotated[str, typer.Argument(metavar="SET")]) -> None:
    """Ask of a face-swapped set whether face or motion still names the signer."""
    from calse.config.params import read_params
    from calse.faceswap.reidentify.stage import reidentify

    params = read_params()
    _check_swappable(params, set_name)
    reidentify(params, Layout(), set_name)


@app.command(rich_help_panel=STAGES)
def omit(source: str) -> None:
    """Blur the face in a source's test clips: what does recognition owe to it?"""
    from calse.config.params import read_params
    from calse.faceswap.blur import omit

    omit(read_params(), Layout(), source)


@app.command(rich_help_panel=STAGES)
def split(recipe: str) -> None:
    """List which clips of a recipe train and test, for each test source."""
    from calse.config.params import read_params
    from calse.data.splits import split

    split(read_params(), Layout(), recipe)


@app.command(rich_help_panel=STAGES)
def pretrain(
    again: Annotated[
        bool, typer.Option("--again", help="also when the encoder that is there would stay the same")
    ] = False,
) -> None:
    """Learn the encoder of signing from random signs; the one that ships is kept while it would come out the same."""
    from calse.config.params import read_params
    from calse.recognition.architectures.landmarks.pretrain import pretrain

    pretrain(read_params(), Layout(), again)


@app.command(rich_help_panel=STAGES)
def inputs(recogniser: str) -> None:
    """List what a recogniser reads beside the clips."""
    from calse.config.params import read_params
    from calse.recognition.inputs import inputs

    inputs(read_params(), Layout(), recogniser)


@app.command(rich_help_panel=STAGES)
def train(recogniser: str, recipe: str) -> None:
    """Train a recogniser on a recipe, once for each test source and seed."""
    from calse.config.params import read_params
    from calse.recognition.launch.train import train
    from calse.tracking.live import Tracker

    params, layout = read_params(), Layout()
    train(params, layout, recogniser, recipe, Tracker(params))


@app.command(rich_help_panel=STAGES)
def evaluate(recogniser: str, recipe: str) -> None:
    """Read each test source once and write every prediction."""
    from calse.config.params import read_params
    from calse.evaluation.evaluate import evaluate

    evaluate(read_params(), Layout(), recogniser, recipe)


@app.command(rich_help_panel=STAGES)
def report() -> None:
    """Write the tables, their pictures and the report page."""
    from calse.config.params import read_params
    from calse.report.report import report
    from calse.tracking.sync import sync_workspace

    report(read_params(), Layout())
    sync_workspace()


app.add_typer(importing)
app.add_typer(tools)
app.add_typer(people)
app.add_typer(looking)
app.add_typer(runs)
app.add_typer(publishing)


def main() -> None:
    """Run a command; an expected error is one line on stderr and exit code 1."""
    # OpenMP threads that spin while they wait slow each other 40-fold as soon as anything else runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # NumPy's own threads spin too, on arrays as small as ours in vain, and its sums would depend on how many there are.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _stop)
    end_with_dvc()
    enter_root()
    try:
        if sys.argv[1:2] and sys.argv[1] in RENAMED:
            raise CalseError(f"calse {sys.argv[1]} is called calse {RENAMED[sys.argv[1]]} now")
        app()
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:
            raise
        print("stopped; what was finished is kept", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception as error:
        line = _in_one_line(error)
        if not line:
            raise
        print(f"error: {one_line(line)}", file=sys.stderr)
        sys.exit(1)


def _in_one_line(error: Exception) -> str:
    """Return what a user needs to know of an error; nothing when it is ours to mend."""
    if isinstance(error, CalseError):
        return str(error)
    if isinstance(error, OSError) and error.errno in NO_ACCESS:
        return f"{error.filename}: {NO_ACCESS[error.errno]}"
    if lacks_memory(error):
        what = " ".join(str(error).split())[:200] or "no more is allowed"
        return f"out of memory ({what}); set CALSE_WORKERS=1, or allow more"
    return ""


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Unwind on SIGTERM as on Ctrl-C, so that half-written files are removed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one, as Slurm sends, would break off what this one begins
    raise KeyboardInterrupt
