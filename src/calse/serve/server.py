"""`calse serve`: a page that this machine alone can reach, where a clip is dropped or recorded, and answered."""

import asyncio
import json
import multiprocessing
import os
import socket
import tempfile
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import uvicorn
from rich.console import Console
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from calse.report.page.page import stylesheet
from calse.runtime.errors import CalseError, StarvedError
from calse.runtime.files import explain_disk_errors, temporary_folder
from calse.runtime.loopback import LOOPBACK, open_page
from calse.runtime.repository import scratch
from calse.serve.models import Models

LARGEST = 100_000_000  # bytes of a clip: a minute from a telephone
TIMEOUT = 60  # seconds that an upload may take
PAGE = Path(__file__).with_name("page")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def serve(models: Models, listener: socket.socket) -> NoReturn:
    """Answer on that socket until Ctrl-C, then end this process: nothing else stops a clip that is being worked on."""
    address = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    with temporary_folder(scratch() / "serve") as folder:
        # Silent but for errors of ours: requests tell who was filmed doing what, when.
        config = uvicorn.Config(
            application(models, folder), http="h11", ws="none", lifespan="off", log_config=None, log_level="critical",
            access_log=False, server_header=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        print(f"drop or record a clip: {address} (Ctrl-C ends it)", flush=True)
        open_page(address)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
        for reader in multiprocessing.active_children():
            reader.kill()  # or it goes on writing where all is removed now
    Console(stderr=True).show_cursor()  # the progress of a clip at work had hidden it
    os._exit(0)


def application(models: Models, folder: Path) -> ASGIApp:
    """Return the page and its two routes, `/predict` and `/anonymise`, to which a clip is posted as it is.

    A clip lies in `folder` until the response; one is worked on at a time. What is wrong is said in one line.
    """
    worker, turn = ThreadPoolExecutor(1), asyncio.Lock()

    def endpoint_of(respond: Callable[[Path], Response]) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint that receives a clip and responds to it when the clips before it are done."""

        async def endpoint(request: Request) -> Response:
            """Receive a clip, wait for its turn, respond."""
            with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as own:
                clip = Path(own) / "clip"
                await _receive(request, clip)
                async with turn:
                    if await request.is_disconnected():
                        raise ClientDisconnect
                    return await asyncio.get_running_loop().run_in_executor(worker, respond, clip)

        return endpoint

    def predict(clip: Path) -> Response:
        """Respond with the glosses that the models find likely."""
        return JSONResponse(models.predictions(clip))

    def anonymise(clip: Path) -> Response:
        """Respond with the copy, which is kept nowhere; a header has what is to be said of it."""
        copy, said = models.anonymised(clip)
        return Response(copy, media_type="video/mp4", headers={"X-Calse": json.dumps(said)})

    about = {"predicts": bool(models.loaded), "anonymises": models.swapper is not None, "largest": LARGEST}
    files = {f"/{path.name}": (path.read_text(encoding="utf-8"), TYPES[path.suffix]) for path in PAGE.iterdir()}
    files |= {"/": files["/index.html"], "/page.css": (stylesheet(), "text/css")}
    files["/about"] = (json.dumps(about), "application/json")

    async def page(request: Request) -> Response:
        """Respond with one of the page's files."""
        content, kind = files[request.url.path]
        return Response(content, media_type=kind)

    routes = [Route(path, page) for path in files]
    routes += [Route("/predict", endpoint_of(predict), methods=["POST"])]
    routes += [Route("/anonymise", endpoint_of(anonymise), methods=["POST"])]
    handlers = {CalseError: _refused, ClientDisconnect: _gone, Exception: _failed}
    return _guarded(Starlette(routes=routes, exception_handlers=handlers))


async def _receive(request: Request, clip: Path) -> None:
    """Write the body of a request to a file. Raises HTTPException when it is too large, too slow or empty."""
    too_large = HTTPException(413, f"the clip has more than {LARGEST // 10**6} MB; cut it, or call: calse predict")
    if int(request.headers.get("content-length", 0)) > LARGEST:
        raise too_large
    size = 0
    try:
        async with asyncio.timeout(TIMEOUT):
            with explain_disk_errors(clip), open(clip, "wb") as file:
                async for part in request.stream():
                    size += len(part)
                    if size > LARGEST:
                        raise too_large
                    file.write(part)
    except TimeoutError:
        raise HTTPException(408, f"the clip did not arrive within {TIMEOUT} seconds") from None
    if not size:
        raise HTTPException(400, "the request holds no clip")


async def _refused(request: Request, error: Exception) -> Response:
    """Say in one line what is wrong with a clip."""
    return PlainTextResponse(" ".join(str(error).split()), 503 if isinstance(error, StarvedError) else 422)


async def _gone(request: Request, error: Exception) -> Response:
    """Respond to a browser that has gone."""
    return PlainTextResponse("", 400)  # nobody reads it


async def _failed(request: Request, error: Exception) -> Response:
    """Say that this is our fault; the traceback goes to the terminal."""
    traceback.print_exception(error)
    return PlainTextResponse("calse failed; the terminal says where", 500)


def _guarded(app: ASGIApp) -> ASGIApp:
    """Keep other sites out: whatever pages the user has open can send requests here, and rename themselves to us."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a foreign request with 403, any other as the application does."""

        async def send_with_headers(message: Message) -> None:
            """Add what tells a browser to trust nothing but this page."""
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        why = _foreign(Headers(scope=scope))
        await (PlainTextResponse(why, 403) if why else app)(scope, receive, send_with_headers)

    return guard


def _foreign(headers: Headers) -> str:
    """Return why a request is not one of our own page or of a command of the user's; nothing when it is."""
    host = headers.get("host", "")
    if host.partition(":")[0] not in (LOOPBACK, "localhost"):
        return f"this page is called {LOOPBACK} or localhost, and nothing else"
    if headers.get("origin", f"http://{host}") != f"http://{host}":
        return "another site may not ask this one"
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return "another site may not ask this one; open the page by its address"
    return ""
