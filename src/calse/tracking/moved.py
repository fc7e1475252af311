"""An sqlite store that was moved or copied with its checkout: MLflow keeps the absolute place of artifacts in it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from calse.tracking.place import artifact_location, given_uri, store_file

# Where MLflow 3 keeps such a place. It is set once, when an experiment is made, and no call of MLflow changes it.
COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def moved_from() -> list[str]:
    """Return the folders, as file: addresses, in which a store kept artifacts before it was moved or copied.

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


def mend_moved() -> None:
    """Put the artifacts of a moved store where they lie now, beside its file; use it under `locked_store`."""
    for place in moved_from():
        with closing(sqlite3.connect(str(store_file()))) as database, database:
            for table, column in COLUMNS:
                database.execute(
                    f"UPDATE {table} SET {column} = :here || substr({column}, length(:place) + 1)"
                    f" WHERE {column} = :place OR substr({column}, 1, length(:place) + 1) = :place || '/'",
                    {"here": artifact_location(), "place": place},
                )
