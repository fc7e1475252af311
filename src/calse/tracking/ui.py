"""The MLflow UI, opened on the table of trainings."""

import os
import socket
import subprocess
import sys
import time
import webbrowser
from contextlib import suppress
from urllib.request import urlopen

from calse.runtime.errors import CalseError
from calse.tracking.dvc_index import corpus_of, repository, stages_of
from calse.tracking.moved import mend_moved
from calse.tracking.place import locked_store, store_file, store_uri, without_password
from calse.tracking.runs import Store
from calse.tracking.table import table_address

LOOPBACK = "127.0.0.1"
PATIENCE = 60  # seconds: `mlflow ui` takes about ten to answer


def serve(port: int) -> None:
    """Run `mlflow ui`, reachable from this machine only, and open it; of a server, which has its own, open that.

    Raises CalseError before anything was tracked, and when the port is taken.
    """
    uri, file = store_uri(), store_file()
    if file is not None and not file.is_file():
        raise CalseError("nothing has been tracked yet; run: dvc repro")
    remote = uri.startswith(("http://", "https://"))
    try:
        if not remote:
            socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise CalseError(f"--port {port}: {reason}; another one: calse ui --port {port + 1}") from None
    with locked_store(), repository() as repo:
        mend_moved()
        experiment = Store(corpus_of(stages_of(repo))).experiment
    address = table_address(without_password(uri) if remote else f"http://{LOOPBACK}:{port}", experiment)
    print(f"MLflow UI: {address}" + ("" if remote else " (Ctrl-C ends it)"), flush=True)
    if remote:
        _open(address)
        return
    options = ["--backend-store-uri", uri, "--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    server = subprocess.Popen([sys.executable, "-m", "mlflow", "ui", *options])
    try:
        deadline = time.monotonic() + PATIENCE
        while server.poll() is None and time.monotonic() < deadline:
            with suppress(OSError):
                urlopen(f"http://{LOOPBACK}:{port}/health", timeout=5).close()
                _open(address)
                break
            time.sleep(1)
        server.wait()
    finally:
        server.terminate()
        server.wait()


def _open(address: str) -> None:
    """Open an address in the user's browser, where there is a screen; in a terminal Python would start lynx."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)
