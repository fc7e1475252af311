"""Commands about the people in the videos: what they allow, what stays here, forgetting. Imports live inside."""

from typing import Annotated

import typer

from calse.cli.options import AsJson
from calse.data.paths import Layout
from calse.runtime.errors import CalseError

people = typer.Typer()


@people.command()
def consent(as_json: AsJson = False) -> None:
    """Print who allows what until when, and what the study needs that is not allowed; then the exit code is 1."""
    from calse.config.params import read_params
    from calse.data.consent_view import print_consent

    print_consent(read_params(), Layout(), as_json)


@people.command()
def forget(
    signers: Annotated[list[str] | None, typer.Argument(metavar="SIGNER...", help="by name, in any spelling")] = None,
    source: Annotated[list[str] | None, typer.Option(help="or all of a source; repeatable")] = None,
    clip: Annotated[list[str] | None, typer.Option(help="or a filmed clip by its id; repeatable")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    exactly: Annotated[bool, typer.Option("--exactly", help="nobody else, however alike the names")] = False,
) -> None:
    """Remove people from all versions: files, DVC's cache, every remote, MLflow; with a certificate."""
    from calse.people.forget import Plan, forget
    from calse.people.view import print_done, print_plan
    from calse.people.who import Who

    who = Who(tuple(signers or ()), tuple(source or ()), tuple(clip or ()))
    if who == Who():
        raise CalseError("name a signer, or --source or --clip; data/manifests/sources lists them")

    def agreed(plan: Plan, places: dict[str, str]) -> bool:
        """Show what would be removed, and say whether it may be."""
        print_plan(plan, places)
        return yes or typer.confirm("Remove all this? It cannot be taken back")

    done = forget(who, Layout(), exactly, agreed)
    if done is None:
        raise CalseError("nothing was removed")
    print_done(done)


@people.command("withhold")
def withhold_people() -> None:
    """Keep sources that are not to be shared, and all that is made of them, out of `dvc push`."""
    from calse.config.params import read_params
    from calse.corpus.withhold import withhold
    from calse.data.consent import read_consent

    params = read_params()
    changed = withhold(params, Layout())
    for path in changed:
        print(f"{path}: push: false")
    if changed:
        print("commits and experiments from before lack this: `dvc push --all-commits` would still send their videos")
    print(
        f"not to be shared: {', '.join(sorted(read_consent(params, Layout()).denied_sources('share'))) or 'no source'}"
    )
