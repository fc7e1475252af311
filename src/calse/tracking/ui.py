"""The MLflow UI on this repository's store."""

import os
import sys

from calse.errors import CalseError
from calse.tracking.store import store_file, store_uri

LOOPBACK = "127.0.0.1"


def serve(port: int) -> None:
    """Become `mlflow ui`, reachable from this machine only. Raises CalseError before anything was tracked."""
    uri, file = store_uri(), store_file()
    if file is not None and not file.is_file():
        raise CalseError("nothing has been tracked yet; run: dvc repro")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    command = ["ui", "--backend-store-uri", uri, "--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    print(f"MLflow UI: http://{LOOPBACK}:{port} (Ctrl-C ends it)", flush=True)
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *command])
