"""A model hub on the loopback interface, as far as the clients of open_clip, timm and transformers
ask one: the files of repositories, and their listings."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REVISION = "0123456789abcdef0123456789abcdef01234567"
FILE = re.compile(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)")
LISTING = re.compile(r"/api/models/([^/]+/[^/]+)/tree/[^/]+/?(.*)")
ABOUT = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/[^/]+)?")


class Hub:
    """What the hub holds, by repository and name of a file, and the paths it was asked for."""

    def __init__(self, url: str, repositories: dict[str, dict[str, bytes]]):
        self.url, self.repositories = url, repositories
        self.asked: list[str] = []

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path."""
        self.asked.append(path)
        path = path.partition("?")[0]
        for pattern in (FILE, LISTING, ABOUT):
            if match := pattern.fullmatch(path):
                files = self.repositories.get(match[1])
                if files is None:
                    return 404, {"X-Error-Code": "RepoNotFound"}, b""
                if pattern is FILE:
                    return self._file(files, match[2])
                names = [{"type": "file", "path": name, "size": len(files[name]), "oid": REVISION}
                         for name in files]  # fmt: skip
                about = {"id": match[1], "sha": REVISION,
                         "siblings": [{"rfilename": name} for name in files]}  # fmt: skip
                if pattern is LISTING and match[2]:
                    return 404, {"X-Error-Code": "EntryNotFound"}, b""
                body = names if pattern is LISTING else about
                return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
        return 404, {}, b""

    @staticmethod
    def _file(files: dict[str, bytes], name: str) -> tuple[int, dict[str, str], bytes]:
        if name not in files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": REVISION}, b""
        digest = hashlib.sha256(files[name]).hexdigest()
        return 200, {"ETag": f'"{digest}"', "X-Repo-Commit": REVISION}, files[name]


@contextmanager
def serving(repositories: dict[str, dict[str, bytes]]) -> Iterator[Hub]:
    """A hub that runs until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = hub.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        hub = Hub(f"http://127.0.0.1:{http.server_port}", repositories)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            http.shutdown()
            thread.join()
