"""The command `import`: videos of people become raw data. Imports live inside."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calse.cli.options import path_argument, path_option
from calse.data.paths import Layout
from calse.runtime.errors import CalseError

if TYPE_CHECKING:
    from calse.config.params import Params, Source

importing = typer.Typer()


@importing.command("import")
def import_videos(
    folder: Annotated[Path | None, path_argument("FOLDER", "a folder of videos, or a table of them")] = None,
    corpus: Annotated[str, typer.Option(help="the corpus to add to: a folder of data/raw")] = "",
    source: Annotated[str, typer.Option(help="who recorded these clips, such as SACU")] = "",
    pattern: Annotated[
        str | None, typer.Option(help="how file names tell gloss, signer and take: {gloss}_{signer}_{take}.mp4")
    ] = None,
    glossary: Annotated[
        Path | None, path_option("FILE", "a table with the column `gloss`: all the corpus's glosses")
    ] = None,
    add_glosses: Annotated[bool, typer.Option("--add-glosses", help="add unknown glosses to the glossary")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="import this source anew")] = False,
    takes: Annotated[int | None, typer.Option(min=1, help="take no more than a signer's first N of a gloss")] = None,
    donor: Annotated[
        bool, typer.Option("--donor", help="it only lends a face: any signs, none for the glossary")
    ] = False,
    corrections: Annotated[
        Path | None, path_option("FILE", "instead: what was flagged and corrected in `calse browse`")
    ] = None,
    elan: Annotated[
        list[Path] | None, path_option("FILE", "instead of FOLDER: cut the video of an ELAN file; repeatable")
    ] = None,
    tier: Annotated[str, typer.Option(help="with --elan: the tier whose annotations are the glosses")] = "",
) -> None:
    """Copy a folder of videos into the raw data, with a reason for every file refused."""
    from calse.config.params import read_params
    from calse.corpus.import_report import print_report
    from calse.corpus.importing import import_folder
    from calse.corpus.recordings import cut_recordings
    from calse.runtime.files import temporary_folder
    from calse.runtime.repository import scratch

    if corrections is not None:
        if any((folder, corpus, source, pattern, glossary, replace, takes, donor, elan, tier)):
            raise CalseError("--corrections names corpus and source itself and goes with --add-glosses alone")
        _correct(corrections, add_glosses)
        return
    if (folder is None) == (not elan) or not corpus or not source:
        raise CalseError("name a FOLDER (or --elan FILE), its --corpus and its --source; or --corrections FILE")
    if bool(elan) != bool(tier) or (elan and pattern):
        raise CalseError("--elan and --tier go together, and without --pattern: the tier has the glosses")
    declared = _declared(read_params(), corpus, source, donor)
    with ExitStack() as cut:
        if elan:
            parts = cut.enter_context(temporary_folder(scratch() / "recordings"))
            folder = cut_recordings(elan, tier, parts)
        assert folder is not None
        report = import_folder(
            folder, Layout(), corpus, source, pattern, glossary, add_glosses, replace, takes, declared, donor
        )
    print_report(report)
    _print_terms(corpus, source)


def _declared(params: "Params", corpus: str, source: str, donor: bool) -> "dict[str, Source]":
    """Return what params.yaml says of a corpus's sources. Raises CalseError when it is against the import."""
    if corpus.casefold() in map(str.casefold, params.synthesise):
        raise CalseError(f"--corpus {corpus}: the stage synthesise makes that corpus; choose another name")
    declared = params.corpus.sources if corpus == params.corpus.name else {}
    if donor and source in declared and declared[source].kind != "donor":
        raise CalseError(f"--donor: params.yaml says that source {source} is of kind {declared[source].kind}")
    return declared


def _correct(table: Path, add_glosses: bool) -> None:
    """Apply what was flagged and corrected, to whatever sources it names."""
    from calse.config.params import read_params
    from calse.corpus.corrections import correct, print_outcomes

    params = read_params()
    print_outcomes(correct(Layout(), table, params.synthesise, params.sources_of("donor"), add_glosses))


def _print_terms(corpus: str, source: str) -> None:
    """Say what may be done with an imported source; one that is not to be shared is kept out of `dvc push` at once."""
    from calse.config.params import read_params
    from calse.corpus.withhold import withhold
    from calse.data.consent import read_consent, terms_of

    params = read_params()
    if corpus != params.corpus.name or source not in params.corpus.sources:
        print("and there what its people allow, see docs/privacy.md: licence, consent, until, train, swap, show, share")
        return
    print(terms_of(params.corpus.sources[source]) or "nothing is said there of licence and consent")
    if source in read_consent(params, Layout()).denied_sources("share"):
        for path in withhold(params, Layout()):
            print(f"kept out of dvc push: {path} has the flags; git add {path}")
