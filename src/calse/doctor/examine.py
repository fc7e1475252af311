"""The command `doctor`: every check, in parallel, each fault with the command that mends it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.text import Text

from calse.config.params import Params, read_params
from calse.data.paths import Layout
from calse.doctor import machine, nodes, study
from calse.doctor.finding import SETUP, Finding
from calse.runtime.errors import CalseError
from calse.runtime.repository import in_repository

STYLES = {"ok": "green", "warn": "yellow", "wrong": "bold red"}


def examine() -> dict[str, Finding]:
    """Run every check that makes sense here, in parallel, and return what each found, in a fixed order."""
    checks: dict[str, Callable[[], Finding]] = {
        "python": machine.python,
        "decoder": machine.decoder,
        "encoder": machine.encoder,
    }
    try:
        params = read_params() if in_repository() else None
    except CalseError as error:
        finding = Finding("wrong", str(error), "edit params.yaml, or: calse preset synthetic")
        checks["parameters"] = lambda: finding
    else:
        checks |= _of_repository(params) if params else {"repository": outside}
    with ThreadPoolExecutor(len(checks)) as threads:
        return dict(zip(checks, threads.map(_survived, checks.values()), strict=True))


def _of_repository(params: Params) -> dict[str, Callable[[], Finding]]:
    """Return the checks of a study, by what they are called."""
    return {
        "repository": study.place,
        "packages": machine.packages,
        "disk": machine.disk,
        "data": lambda: study.data(params, Layout()),
        "stages": lambda: study.stages(params, Layout()),
        "landmark models": lambda: study.landmark_models(params, Layout()),
        "donors": lambda: study.donors(params, Layout()),
        "MLflow store": study.store,
        "remote": study.remote,
        "consent": lambda: study.consent(params, Layout()),
        "sharing": lambda: study.sharing(params, Layout()),
        "locks": nodes.locks,
        "executor": nodes.executor,
        "accelerator": lambda: machine.accelerator(params),
    }


def _survived(check: Callable[[], Finding]) -> Finding:
    """Run a check; one that breaks has found something wrong too."""
    try:
        return check()
    except Exception as error:
        return Finding("wrong", " ".join(f"{type(error).__name__}: {error}".split())[:200], SETUP)


def outside() -> Finding:
    """Say that this is no repository of the study."""
    return Finding(
        "wrong", f"{Path.cwd()} holds no study: there is no dvc.yaml", "cd into your clone, then: calse doctor"
    )


def print_findings(findings: dict[str, Finding]) -> None:
    """Print one line a check. Raises CalseError when something is wrong."""
    console = Console(soft_wrap=True)
    for name, finding in findings.items():
        mend = f"  ->  {finding.mend}" if finding.mend else ""
        console.print(Text.assemble((f"{finding.level:6}", STYLES[finding.level]), f"{name}: {finding.what}{mend}"))
    wrong = [name for name, finding in findings.items() if finding.level == "wrong"]
    if wrong:
        raise CalseError(f"{', '.join(wrong)}: mend this first, with what stands behind the arrow")
