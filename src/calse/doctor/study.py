"""Checks of the study in this folder: raw videos, stages, landmark models, MLflow's store, DVC's remote."""

import json
import sqlite3
import subprocess
import sys
from configparser import ConfigParser
from datetime import date, timedelta
from urllib.parse import urlsplit
from urllib.request import urlopen

from calse.config.params import Params
from calse.data.paths import Layout
from calse.doctor.finding import Finding
from calse.runtime.errors import CalseError, counted
from calse.runtime.repository import main_repository

REPRO_WITHOUT = "dvc repro --allow-missing"  # stages whose inputs are not here and as recorded are left as they are


def data(params: Params, layout: Layout) -> Finding:
    """Are the raw videos of every source here?"""
    corpus, names = params.corpus.name, list(params.corpus.sources)
    missing, kept_back = _missing(params, layout), _kept_back(params, layout)
    if not missing:
        return Finding("ok", f"{corpus}: {counted(len(names), 'source')}, all here")
    what = f"{corpus}: no raw videos of {', '.join(missing)}"
    if corpus in params.synthesise:
        return Finding("warn", f"{what}; the first stage makes them", "dvc repro")
    if missing == kept_back:
        why = "not to be shared, so no remote has them; what is recorded needs none of them"
        return Finding("warn", f"{what}: {why}", f"dvc pull --allow-missing, then: {REPRO_WITHOUT}")
    needed = next(name for name in missing if name not in kept_back)
    mend = f"calse import FOLDER --corpus {corpus} --source {needed}"
    if (layout.raw(corpus) / f"{needed}.dvc").is_file():
        mend += f", or: {'dvc pull --allow-missing' if kept_back else 'dvc pull'}"
    return Finding("wrong", what, mend)


def place() -> Finding:
    """Does DVC work in a folder of this name?"""
    root = main_repository()
    odd = sorted(set("?#") & set(str(root)))
    if not odd:
        return Finding("ok", str(root))
    what = f"{root}: dvc exp run --temp and --queue stop at {' and '.join(odd)} in a folder's name; the rest works"
    return Finding("warn", what, "mv the folder to a name without it")


def _missing(params: Params, layout: Layout) -> list[str]:
    """Return the sources without raw videos."""
    from calse.corpus.raw import index_of

    raw = layout.raw(params.corpus.name)
    return [name for name in params.corpus.sources if not index_of(raw / name).is_file()]


def _kept_back(params: Params, layout: Layout) -> list[str]:
    """Return the sources whose raw videos are elsewhere and must not come here: added to DVC, not to be shared."""
    from calse.data.consent import read_consent

    raw, withheld = layout.raw(params.corpus.name), read_consent(params, layout).denied_sources("share")
    missing = _missing(params, layout)
    return [name for name in missing if name in withheld and (raw / f"{name}.dvc").is_file()]


def stages(params: Params, layout: Layout) -> Finding:
    """What would `dvc repro` do?"""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["dvc status gave no reason"])[0].removeprefix("ERROR: ")
        if "another DVC process" in reason or "is busy" in reason:  # of its lock, of a file that it reads or writes
            return Finding("warn", "another dvc is at work here")
        return Finding("wrong", reason, "dvc status")
    changed = list(json.loads(done.stdout or "{}"))
    if not changed:
        return Finding("ok", "all are up to date")
    names = ", ".join(changed[:3]) + (", ..." if len(changed) > 3 else "")
    mend = REPRO_WITHOUT if _kept_back(params, layout) else "dvc repro"
    return Finding("warn", f"{len(changed)} to run or restore: {names}", mend)


def landmark_models(params: Params, layout: Layout) -> Finding:
    """Are the published landmark models here and whole?"""
    from calse.landmarks.models import MODELS, model_path

    if not params.landmarks.sources:
        return Finding("ok", "not used: landmarks.sources is empty")
    if not layout.landmark_models().is_dir():
        return Finding("warn", "not fetched yet (135 MB)", "dvc repro landmark-models")
    try:
        for model in MODELS:
            model_path(layout, model)
    except CalseError as error:
        return Finding("wrong", str(error).partition(";")[0], "dvc repro -f landmark-models")
    return Finding("ok", f"{len(MODELS)} files, as published")


def donors(params: Params, layout: Layout) -> Finding:
    """Are the donors' faces fit to be put on others?"""
    names = [name for name in params.sources_of("donor") if name in params.landmarks.sources]
    known = [name for name in names if layout.landmarks(name).is_dir() and layout.source_manifest(name).is_file()]
    if not known:
        return Finding("ok", "known once their landmarks are found" if names else "none")
    from calse.faceswap.donor import unsuitable

    found = [line for name in known for line in unsuitable(params, layout, name)]
    if found:
        return Finding("warn", "; ".join(found), "docs/faceswap.md says which pictures of a donor are needed")
    return Finding("ok", f"{', '.join(known)}: suitable")


def store() -> Finding:
    """Can MLflow's store be reached and written?"""
    from calse.tracking.moved import moved_from
    from calse.tracking.place import FOLDER, store_file, store_uri

    try:
        path = store_file()
        if path is None:
            return _server(store_uri())
    except CalseError as error:
        what, _, mend = str(error).rpartition("; ")
        return Finding("wrong", what, mend)
    if not path.is_file():
        return Finding("ok", "nothing is tracked yet")
    try:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=1) as database:
            database.execute("BEGIN IMMEDIATE").connection.rollback()
        former = moved_from()
    except sqlite3.OperationalError as error:
        return Finding("warn" if "locked" in str(error) else "wrong", f"{path.name}: {error}", "calse track verify")
    except sqlite3.DatabaseError as error:
        return Finding("wrong", f"{path.name}: {error}", f"rm -r {FOLDER}; calse track sync")
    if former:
        return Finding("warn", f"it was moved or copied: it keeps artifacts in {former[0]}", "calse track sync")
    return Finding("ok", f"{path.name} can be written")


def _server(uri: str) -> Finding:
    """Ask an MLflow server; its address may hold a password, so only the host is shown."""
    from calse.tracking.place import DATABASES, check_database, without_password

    address = urlsplit(uri)
    try:
        check_database(uri)
        if uri.startswith(DATABASES):
            return Finding("ok", f"the {address.scheme} database opens")
        if address.scheme not in ("http", "https"):
            return Finding(
                "warn", f"MLFLOW_TRACKING_URI is a {address.scheme or 'plain'} address, which is not checked"
            )
        urlopen(f"{without_password(uri).rstrip('/')}/health", timeout=2).close()
    except OSError as error:
        mend = "start that server, or: unset MLFLOW_TRACKING_URI"
        return Finding("wrong", f"{address.hostname} does not answer: {error}", mend)
    return Finding("ok", f"{address.hostname} answers")


def sharing(params: Params, layout: Layout) -> Finding:
    """Would `dvc push` send what was made of a source that is not to be shared?"""
    from calse.corpus.withhold import check_withheld
    from calse.data.consent import read_consent

    withheld = read_consent(params, layout).denied_sources("share")
    if not withheld:
        return Finding("ok", "every source may be shared")
    try:
        check_withheld(params, layout)
    except CalseError as error:
        return Finding("wrong", str(error).partition(";")[0], "calse withhold")
    return Finding("ok", f"dvc push leaves out {', '.join(sorted(withheld))} and all that people went into")


def consent(params: Params, layout: Layout) -> Finding:
    """Has somebody's consent ended, or does it end within a month?"""
    from calse.data.consent import check_dates, read_consent

    try:
        check_dates(params, layout)
        known, today = read_consent(params, layout), date.today()
    except CalseError as error:
        what, _, mend = str(error).rpartition("; ")
        return Finding("wrong", what, mend)
    grants = (*known.sources.values(), *known.signers)
    ending = sorted((g.until, g.whose) for g in grants if g.until and g.is_over(today + timedelta(days=31)))
    if ending:
        return Finding("warn", f"that of {ending[0][1]} ends on {ending[0][0]}", "ask anew, and see: calse consent")
    return Finding("ok", "nobody's has ended")


def remote() -> Finding:
    """Is there a place for `dvc push`?"""
    config = ConfigParser(strict=False, interpolation=None)
    config.read([".dvc/config", ".dvc/config.local"])
    names = [section.split('"')[1] for section in config.sections() if section.strip("'").startswith('remote "')]
    default = config.get("core", "remote", fallback="")
    if default in names:
        return Finding("ok", f"dvc push goes to {default}")
    mend = f"dvc remote default {names[0]}" if names else "dvc remote add -d NAME URL"
    return Finding("warn", "videos and weights are on this disk only: no default remote", mend)
