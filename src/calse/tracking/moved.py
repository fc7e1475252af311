"""A store that was moved or copied with its checkout: MLflow keeps the absolute place of artifacts in every run."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from calse.tracking.store import artifact_location, given_uri, store_file

COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Where MLflow 3 keeps such a place. It is told once, when an experiment is made, and no call of MLflow changes it."""


def moved_from() -> list[str]:
    """Return a line for each place in which a moved store still keeps artifacts; see `former_places`."""
    return [
        f"{(store_file() or Path()).name} was moved or copied: it keeps artifacts in {place}"
        for place in former_places()
    ]


def former_places() -> list[str]:
    """Return the artifact folders, as file: addresses, that lay beside an sqlite store before it was moved or copied.

    In a database that MLFLOW_TRACKING_URI names, a folder that is there may be somebody's choice. Raises
    sqlite3.DatabaseError when it is damaged.
    """
    file = store_file()
    if file is None or not file.is_file():
        return []
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute(
            "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE 'file:///%/artifacts'"
        ).fetchall()
    others = [place for (place,) in rows if place != artifact_location()]
    return [place for place in others if not (given_uri() and Path(unquote(place.removeprefix("file://"))).exists())]


def mend_places() -> None:
    """Put the artifacts of a moved store where they lie now, beside its file; use it under `locked_store`."""
    for place in former_places():
        with closing(sqlite3.connect(str(store_file()))) as database, database:
            for table, column in COLUMNS:
                database.execute(
                    f"UPDATE {table} SET {column} = ?1 || substr({column}, length(?2) + 1)"
                    f" WHERE {column} = ?2 OR substr({column}, 1, length(?2) + 1) = ?2 || '/'",
                    (artifact_location(), place),
                )
