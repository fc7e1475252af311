"""The MLflow store: where it lies, how it is locked, and what its failures say."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from calse.runtime.errors import CalseError
from calse.runtime.locks import locked
from calse.runtime.repository import main_repository

FOLDER = "mlruns"
WORKSPACE = "workspace"
TIMEOUT = 60  # seconds: a process that holds the store longer hangs
DATABASES = ("postgresql", "mysql", "mssql")


def given_uri() -> str:
    """Return MLFLOW_TRACKING_URI, or nothing when it is not set.

    Raises CalseError for a folder, in which MLflow keeps no runs any more, and for a server without its scheme.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if given and (given.startswith("file:") or not re.match(r"[\w+-]+://|databricks|uc$", given)):
        raise CalseError(
            f"MLFLOW_TRACKING_URI={given} is no store; name a server, http://HOST:5000, or a database, sqlite:///FILE"
        )
    return given


def store_uri() -> str:
    """Return MLFLOW_TRACKING_URI when it is set, else this repository's own sqlite store."""
    given, file = given_uri(), store_file()
    if file is None or ":////" in given:
        return given
    # Of "sqlite:///" MLflow makes the parent folder before it unescapes the path: one named 100%2541 beside 100%41.
    return f"sqlite+pysqlite:///{quote(str(file))}"


def store_file() -> Path | None:
    """Return the file of an sqlite store, which need not be there yet; None for a server or another database.

    A relative one lies in the repository: a DVC experiment's working directory is deleted at its end.
    """
    scheme, _, path = (given_uri() or f"sqlite:///{FOLDER}/mlflow.db").partition(":///")
    return main_repository() / unquote(path.partition("?")[0]) if scheme.startswith("sqlite") else None


def artifact_location() -> str | None:
    """Return where an sqlite store's artifacts lie: beside its file, so that both move together; a server decides."""
    file = store_file()
    return (file.parent.resolve() / "artifacts").as_uri() if file else None


@contextmanager
def locked_store() -> Iterator[None]:
    """Hold the store for one process of this repository at a time.

    Raises CalseError when its folder cannot be written, or when MLflow fails inside: locked, damaged, out of reach.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(main_repository() / FOLDER / ".lock", TIMEOUT))
        except TimeoutError:
            raise CalseError(f"another process has held {FOLDER}/ for {TIMEOUT} seconds; end it") from None
        except OSError as error:
            raise CalseError(f"{FOLDER}/ cannot be written: {error.strerror}; or set MLFLOW_TRACKING_URI") from None
        stack.enter_context(explained())
        yield


@contextmanager
def explained() -> Iterator[None]:
    """Turn what MLflow or its database raises, of whatever kind, into one line that says what to do."""
    try:
        yield
    except CalseError:
        raise
    except ModuleNotFoundError as error:
        extra = 'the extra "server": make extras' if error.name == "psycopg" else f"the package {error.name}"
        raise CalseError(f"MLFLOW_TRACKING_URI needs {extra}") from None
    except Exception as error:
        line = without_password(" ".join(f"{type(error).__name__}: {error}".split()))[:200]
        damaged = f"if {FOLDER}/ is damaged, delete it: `calse track sync` rebuilds it"
        hint = "is MLFLOW_TRACKING_URI right, and its server up?" if given_uri() else damaged
        raise CalseError(f"the MLflow store fails: {line}; {hint}") from None


def check_database(uri: str) -> None:
    """Connect once to a database that has a server; MLflow itself would try again and again, for two minutes.

    Raises CalseError when its driver is not installed or it does not answer.
    """
    if uri.startswith(DATABASES):
        from sqlalchemy import create_engine

        with explained():
            create_engine(uri).connect().close()


def without_password(text: str) -> str:
    """Return a text in which addresses have lost user and password."""
    return re.sub(r"://[^/@\s]*@", "://", text)


def pipeline_name() -> str:
    """Return the DVC experiment that this process works for, or `workspace`."""
    return os.environ.get("DVC_EXP_NAME") or WORKSPACE
