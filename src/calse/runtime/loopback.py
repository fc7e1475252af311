"""Pages that this machine alone can reach: a port of 127.0.0.1, and the user's browser."""

import os
import socket
import sys
import webbrowser

from calse.runtime.errors import CalseError

LOOPBACK = "127.0.0.1"


def listen(port: int, command: str) -> socket.socket:
    """Return a socket that listens on a port, 0 for any. Raises CalseError when `command` cannot have it."""
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise CalseError(f"--port {port}: {reason}; another one: calse {command} --port {port + 1}") from None


def open_page(address: str) -> None:
    """Open an address in the user's browser, where there is a screen; in a terminal Python would start lynx."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)
