"""Firefox for tests, driven through WebDriver BiDi (https://w3c.github.io/webdriver-bidi/).

Firefox speaks this protocol itself: Playwright 1.65 needs a command that Firefox 153 lacks, and
Debian has no geckodriver."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from websockets.sync.client import connect

FIREFOX = shutil.which("firefox-esr")
# What a fresh Firefox would ask the network for by itself.
PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.update.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,none",
    "toolkit.telemetry.server": "data:,none",
}
# A wait ends when its condition holds; this ends only one that hangs.
PATIENCE_S = 120
PAUSE_S = 0.03
# The protocol's names of keys: https://w3c.github.io/webdriver/#keyboard-actions
KEYS = {"Enter": "\ue007", "Left": "\ue012", "Right": "\ue014", "Space": " "}


def wait_for(what: Callable[[], object], why: str) -> None:
    """Wait until `what` is true."""
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, why
        time.sleep(PAUSE_S)


class Session:
    """Commands to Firefox, and the events that it reports between their answers."""

    def __init__(self, socket):
        self.socket = socket
        self.sent = 0
        self.events: list[dict] = []
        self.send("session.new", capabilities={})
        self.send("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])

    def send(self, method: str, **parameters: object) -> dict:
        """A command's result. RuntimeError with what Firefox says of one that failed."""
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=PATIENCE_S))
            if answer.get("id") != self.sent:
                self.events.append(answer["params"])
            elif answer["type"] == "error":
                raise RuntimeError(f"{method}: {answer['message']}")
            else:
                return answer["result"]


class Tab:
    """A tab without memory of others."""

    def __init__(self, session: Session):
        self.session = session
        self.user = session.send("browser.createUserContext")["userContext"]
        made = session.send("browsingContext.create", type="tab", userContext=self.user)
        self.id = made["context"]

    def close(self) -> None:
        self.session.send("browser.removeUserContext", userContext=self.user)

    def open(self, address: str) -> None:
        """Open an address and wait until all of it is loaded."""
        self.session.send("browsingContext.navigate", context=self.id, url=address, wait="complete")

    def reload(self) -> None:
        self.session.send("browsingContext.reload", context=self.id, wait="complete")

    def run(self, expression: str) -> object:
        """The value of a JavaScript expression, through JSON."""
        done = self.session.send(
            "script.evaluate",
            expression=f"JSON.stringify([{expression}])",
            target={"context": self.id},
            awaitPromise=False,
        )
        assert done["type"] == "success", done["exceptionDetails"]["text"]
        return json.loads(done["result"]["value"])[0]

    def wait_until(self, expression: str) -> None:
        wait_for(lambda: self.run(expression), expression)

    def press(self, selector: str, *keys: str) -> None:
        """Press keys (names of KEYS, or text) on the element that a selector finds."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        characters = [one for key in keys for one in KEYS.get(key, key)]
        strokes = [
            {"type": way, "value": one} for one in characters for way in ("keyDown", "keyUp")
        ]
        source = {"type": "key", "id": "keyboard", "actions": strokes}
        self.session.send("input.performActions", context=self.id, actions=[source])

    @property
    def errors(self) -> list[str]:
        """Errors on the console so far: the page's own, and what its policy refused."""
        last = f"everything until command {self.session.sent} is said"
        self.run(f"console.error({json.dumps(last)})")
        said: list[str] = []

        def heard() -> bool:
            self.session.send("session.status")
            said[:] = [
                one["text"]
                for one in self.session.events
                if one.get("level") == "error" and one["source"]["context"] == self.id
            ]
            return last in said

        wait_for(heard, "an error of the console is heard")
        return [text for text in said if not text.startswith("everything until command ")]

    @property
    def network(self) -> list[str]:
        """Addresses that the page has asked for outside itself and its disk."""
        asked = [
            one["request"]["url"]
            for one in self.session.events
            if "request" in one and one["context"] == self.id
        ]
        return [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


@contextmanager
def started(profile: Path):
    """A session with a headless Firefox of its own, which ends with it."""
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile)]
    with (profile / "said").open("w") as said:
        process = subprocess.Popen(
            [*command, "--remote-debugging-port", "0"], stdout=said, stderr=said
        )
    try:
        place = profile / "WebDriverBiDiServer.json"

        def listens() -> bool:
            assert process.poll() is None, (profile / "said").read_text(encoding="utf-8")
            return place.exists() and place.read_text(encoding="utf-8").endswith("}")

        wait_for(listens, "Firefox listens")
        at = json.loads(place.read_text(encoding="utf-8"))
        address = f"ws://{at['ws_host']}:{at['ws_port']}/session"
        with connect(address, max_size=None, proxy=None) as socket:
            session = Session(socket)
            yield session
            session.send("browser.close")
        process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()
