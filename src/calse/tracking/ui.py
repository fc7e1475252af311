"""The MLflow UI on this repository's store."""

import os
import socket
import sys

from calse.runtime.errors import CalseError
from calse.tracking.moved import mend_places
from calse.tracking.store import check_database, locked_store, store_file, store_uri, without_password

LOOPBACK = "127.0.0.1"


def serve(port: int) -> None:
    """Become `mlflow ui`, reachable from this machine only; of a server, which has its own, only print the address.

    Raises CalseError before anything was tracked, and when the port is taken.
    """
    uri, file = store_uri(), store_file()
    if uri.startswith(("http://", "https://")):
        print(f"MLflow UI: {without_password(uri)}")
        return
    if file is not None and not file.is_file():
        raise CalseError("nothing has been tracked yet; run: dvc repro")
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise CalseError(f"--port {port}: {reason}; another one: calse ui --port {port + 1}") from None
    check_database(uri)
    with locked_store():
        mend_places()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    command = ["ui", "--backend-store-uri", uri, "--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    print(f"MLflow UI: http://{LOOPBACK}:{port} (Ctrl-C ends it)", flush=True)
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *command])
