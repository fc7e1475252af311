"""Commands that a person calls around the stages. Imports live inside the commands."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from calse.cli.options import AsJson, KeyOption, Label, Seconds, Videos, path_argument, path_option
from calse.cli.publishing import marking
from calse.data.paths import Layout
from calse.runtime.errors import CalseError

tools = typer.Typer()


@tools.command()
def anonymise(
    videos: Annotated[list[Path], path_argument("VIDEO...")],
    folder: Annotated[Path, path_option("FOLDER", "where the new videos go", "--output", "-o")],
    donor: Annotated[str, typer.Option(help="whose face to put on: a source of kind donor")] = "",
    donor_video: Annotated[
        list[Path] | None,
        path_option("VIDEO", "or somebody who speaks and turns the head, or a folder of such videos; repeatable"),
    ] = None,
    donor_images: Annotated[
        list[Path] | None, path_option("FOLDER", "or a folder of pictures of one face, or one; repeatable")
    ] = None,
    method: Annotated[str, typer.Option(help="mesh, or autoencoder with a trained donor")] = "mesh",
    eyes: Annotated[
        Literal["signer", "donor"] | None,
        typer.Option(help="signer: gaze and blinks stay; donor: they are lost, and less of the signer shows"),
    ] = None,
    mouth: Annotated[
        Literal["signer", "donor"] | None,
        typer.Option(help="signer: teeth and tongue stay; donor: they are the donor's"),
    ] = None,
    unswapped: Annotated[
        Literal["blur", "keep", "drop"],
        typer.Option(help="frames without a found face: blurred between frames with one, kept, or dropped"),
    ] = "blur",
    key: KeyOption = None,
    label: Label = False,
    preview: Annotated[
        Path | None, path_option("FOLDER", "also write each video beside its original, to judge it by")
    ] = None,
) -> None:
    """Put a donor's face on the signers of any videos and say how well it came out."""
    from calse.browse.preview import preview_swaps, preview_targets
    from calse.config.params import read_params
    from calse.faceswap.anonymise import anonymise, print_results
    from calse.faceswap.donor import DonorRequest

    if preview and unswapped == "drop":
        raise CalseError("--preview shows frames in pairs; it does not go with --unswapped drop")
    request = DonorRequest(method, donor, tuple(donor_video or ()), tuple(donor_images or ()), eyes, mouth)
    if donor:
        require_donor(donor)
    targets = preview_targets(preview, videos, folder) if preview else []
    results = anonymise(read_params(), Layout(), videos, request, folder, marking(key), label, unswapped)
    made = [(one.video, one.target, to) for one, to in zip(results, targets, strict=False) if not one.refused]
    preview_swaps(read_params(), made)
    for _, _, target in made:
        print(f"{target}: the original beside the result; it shows who was filmed")
    print_results(results)


def require_donor(name: str) -> None:
    """Raise CalseError unless the corpus has this donor, who allows swaps."""
    from calse.config.params import read_params
    from calse.data.consent import require

    params = read_params()
    donors = [source for source, one in params.corpus.sources.items() if one.kind == "donor"]
    if name not in donors:
        known = ", ".join(donors) or "none; --donor-video takes somebody else's video"
        raise CalseError(f"--donor: {name!r} is no donor of {params.corpus.name}; those are: {known}")
    require(params, Layout(), [name], "swap")


@tools.command()
def enrol(
    folder: Annotated[Path, path_argument("FOLDER", "videos, one of them or a table, as for `import`")],
    index: Annotated[Path, path_option("INDEX", "the file to make, or to add signs to", "--output", "-o")],
    pattern: Annotated[str | None, typer.Option(help="how file names tell the gloss: {gloss}_{take}.mp4")] = None,
    seconds: Seconds = 300,
) -> None:
    """Learn signs from one video each or more, in seconds: put them into an index for `lookup` and `predict`."""
    from calse.config.params import read_params
    from calse.corpus.importing import offered_videos
    from calse.recognition.lookup import Enrolment, enrol, print_enrolled

    if index.suffix != ".index" and not index.exists():
        raise CalseError(f"{index}: call it NAME.index: it knows people by their signing, and git keeps such files out")
    able, refused = offered_videos(folder, pattern)
    offers = [Enrolment(offer.path, offer.name, offer.gloss) for offer in able]
    made, left = enrol(read_params(), Layout(), offers, index, seconds, [(one.name, one.refusal) for one in refused])
    print_enrolled(made, left, index)


@tools.command()
def lookup(
    index: Annotated[Path, path_argument("INDEX", "what `enrol` has made")],
    videos: Videos,
    as_json: AsJson = False,
    seconds: Seconds = 300,
) -> None:
    """Name the known signs that each video is nearest to, with the distance and the known clip."""
    from calse.recognition.lookup import lookup
    from calse.recognition.predict import print_results

    print_results(lookup(Layout(), index, videos, seconds), as_json)


@tools.command()
def unlock() -> None:
    """Mend what a killed dvc or import left half-done; `make repro` does this first."""
    from calse.runtime.dvc_repair import unlock

    for done in unlock():
        print(done)


@tools.command()
def repro(
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="how many stages at once  [default: 2, with a GPU 1]")
    ] = None,
) -> None:
    """Bring every stage up to date as `dvc repro` does, which has the last word; but several at once."""
    import subprocess
    import sys

    from calse.runtime.executor import has_accelerator
    from calse.runtime.side_by_side import run_stages

    jobs = jobs or (1 if has_accelerator() else 2)
    if jobs > 1:
        run_stages(jobs)
    raise typer.Exit(subprocess.run([sys.executable, "-m", "dvc", "repro"], check=False).returncode)


@tools.command()
def preset(
    name: str,
    corpus: Annotated[
        str | None, typer.Option(help="whose imported sources fill in a preset for anybody's videos")
    ] = None,
    without: Annotated[
        Literal["landmarks", "swap", "augment"] | None,
        typer.Option(help="leave this out, and the recipes and recognisers that need it"),
    ] = None,
) -> None:
    """Put one of presets/*.yaml in the place of params.yaml, after saying what it takes of time and disk."""
    from calse.config.edited import without_part
    from calse.config.params import read_params
    from calse.corpus.preset import preset_text
    from calse.doctor.estimate import check_space
    from calse.runtime.files import atomic_file

    path = Path("presets") / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in Path("presets").glob("*.yaml")))
        raise CalseError(f"there is no {path}; the presets are: {known}")
    read_params(path)
    with atomic_file(Path("params.yaml")) as aside:
        text = preset_text(path, Layout(), corpus)
        aside.write_text(without_part(without, text) if without else text, encoding="utf-8")
        check_space(read_params(aside), name, Path())
    left = f" without {without}" if without else ""
    print(f"params.yaml is now {path}{left}; see what it changes: git diff params.yaml")


@tools.command()
def show() -> None:
    """Print the results table, how far it is from the committed one, and where to look next."""
    from calse.config.params import read_params
    from calse.report.report import show
    from calse.runtime.repository import git

    show(read_params(), Layout())
    committed = git("show", "HEAD:./metrics/report/table.csv")
    if committed and not git("status", "--porcelain", "params.yaml"):
        from calse.report.committed import distances

        for line in distances((Layout().metrics("report") / "table.csv").read_text(encoding="utf-8"), committed):
            print(f"committed {line}")


@tools.command()
def doctor() -> None:
    """Look for what is wrong or missing, and say the command that mends it."""
    from calse.doctor.examine import examine, print_findings

    print_findings(examine())
