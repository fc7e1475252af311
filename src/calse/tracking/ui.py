"""The MLflow UI, opened on the table of trainings."""

import subprocess
import sys
import time
from contextlib import suppress
from urllib.request import urlopen

from calse.runtime.errors import CalseError
from calse.runtime.loopback import LOOPBACK, listen, open_page
from calse.tracking.dvc_index import corpus_of, repository, stages_of
from calse.tracking.moved import mend_moved
from calse.tracking.place import locked_store, store_file, store_uri, without_password
from calse.tracking.runs import Store
from calse.tracking.table import table_address

TIMEOUT = 60  # seconds: `mlflow ui` takes about ten to answer


def serve(port: int) -> None:
    """Run `mlflow ui`, reachable from this machine only, and open it; of a server, which has its own, open that.

    Raises CalseError before anything was tracked, and when the port is taken.
    """
    uri, file = store_uri(), store_file()
    if file is not None and not file.is_file():
        raise CalseError("nothing has been tracked yet; run: dvc repro")
    remote = uri.startswith(("http://", "https://"))
    if not remote:
        listen(port, "ui").close()
    with locked_store(), repository() as repo:
        mend_moved()
        experiment = Store(corpus_of(stages_of(repo))).experiment
    address = table_address(without_password(uri) if remote else f"http://{LOOPBACK}:{port}", experiment)
    print(f"MLflow UI: {address}" + ("" if remote else " (Ctrl-C ends it)"), flush=True)
    if remote:
        open_page(address)
        return
    options = ["--backend-store-uri", uri, "--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    server = subprocess.Popen([sys.executable, "-m", "mlflow", "ui", *options])
    try:
        deadline = time.monotonic() + TIMEOUT
        while server.poll() is None and time.monotonic() < deadline:
            with suppress(OSError):
                urlopen(f"http://{LOOPBACK}:{port}/health", timeout=5).close()
                open_page(address)
                break
            time.sleep(1)
        server.wait()
    finally:
        server.terminate()
        server.wait()
