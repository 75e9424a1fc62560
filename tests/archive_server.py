"""A real HTTP server on the loopback interface that holds files, answers Range requests and can be
told to misbehave."""

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Server:
    """What the server holds and how it misbehaves; `seen` is what it was asked and what it sent."""

    url: str = ""
    files: dict[str, bytes | Path] = field(default_factory=dict)
    ranges: bool = True
    refusals: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    seen: list[tuple[str | None, int]] = field(default_factory=list)

    def body(self, path: str) -> bytes:
        content = self.files.get(path, b"")
        return content.read_bytes() if isinstance(content, Path) else content


@contextmanager
def refusing() -> Iterator[str]:
    """The address of a port that refuses every connection until the block ends.

    The socket stays bound, so that no other process can be given the port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def serving() -> Iterator[Server]:
    """A server that runs until the block ends; it holds nothing yet."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            body = state.body(self.path)
            status = 200 if self.path in state.files else 404
            if state.refusals:
                status, body = state.refusals.pop(0), b""
            elif asked and state.ranges and status == 200:
                start = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1))
                status, body = (206, body[start:]) if start < len(body) else (416, b"")
            sent = body[: state.cuts.pop(0)] if state.cuts else body
            state.seen.append((asked, len(sent)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # the other side has heard enough
                self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    before = os.environ.get("NO_PROXY")
    os.environ["NO_PROXY"] = "127.0.0.1"
    try:
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
            state.url = f"http://127.0.0.1:{http.server_port}"
            thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield state
            finally:
                http.shutdown()
                thread.join()
    finally:
        if before is None:
            del os.environ["NO_PROXY"]
        else:
            os.environ["NO_PROXY"] = before
