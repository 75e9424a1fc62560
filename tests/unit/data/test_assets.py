"""Downloads are whole or absent: every case against a real server on the loopback interface."""

import errno
import hashlib
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from archive_server import Server, refusing, serving
from urllib3 import HTTPResponse

from modality_gap.data import assets
from modality_gap.data.assets import (
    Asset,
    check_placed,
    fetch,
    is_available,
    load_assets,
    part_of,
    read_member,
)
from modality_gap.errors import InputError

ROOT = Path(__file__).parents[3]
CONTENT = bytes(range(256)) * 4000
PATH = "released/a.npy"
FAST = {"timeout_s": 60.0, "retries": 2, "backoff_s": 0.01}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        state.files[f"/{PATH}"] = CONTENT
        yield state


@pytest.fixture
def closed_url() -> Iterator[str]:
    with refusing() as url:
        yield url


@pytest.fixture
def asset(server: Server) -> Asset:
    return an_asset(url=f"{server.url}/{PATH}")


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "resources" / PATH


def an_asset(content: bytes = CONTENT, **changes: object) -> Asset:
    given = {
        "id": "thing",
        "kind": "file",
        "path": PATH,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "licence": "MIT",
        "purpose": "a test",
    }
    return Asset(**given | changes)


def leave_part(destination: Path, content: bytes) -> None:
    destination.parent.mkdir(parents=True)
    part_of(destination).write_bytes(content)


def assert_refused(words: str, asset: Asset, destination: Path, mirror: str | None = None) -> str:
    with pytest.raises(InputError, match=words) as caught:
        fetch(asset, destination, mirror, **FAST)
    assert not destination.exists()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("thing: ")
    return str(caught.value)


def assert_whole(destination: Path) -> None:
    assert destination.read_bytes() == CONTENT
    assert list(destination.parent.iterdir()) == [destination]


def test_plain_download(server: Server, asset: Asset, destination: Path) -> None:
    assert fetch(asset, destination, None, **FAST) == "origin"
    assert_whole(destination)
    assert server.seen == [(None, len(CONTENT))]


def test_progress_is_told_in_bytes_of_the_whole(
    server: Server, asset: Asset, destination: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_part(destination, CONTENT[:1000])
    fetch(asset, destination, None, **FAST)
    last = capsys.readouterr().err.splitlines()[-1]
    assert "thing: 100%" in last
    assert "1.02M/1.02M" in last
    assert "B/s" in last


def test_a_left_over_part_is_resumed(server: Server, asset: Asset, destination: Path) -> None:
    leave_part(destination, CONTENT[:1000])
    fetch(asset, destination, None, **FAST)
    assert_whole(destination)
    assert server.seen == [("bytes=1000-", len(CONTENT) - 1000)]


def test_a_server_without_ranges_sends_all_anew(
    server: Server, asset: Asset, destination: Path
) -> None:
    server.ranges = False
    leave_part(destination, b"x" * 1000)
    fetch(asset, destination, None, **FAST)
    assert_whole(destination)
    assert server.seen == [("bytes=1000-", len(CONTENT))]


def test_a_416_where_nothing_was_to_continue_is_an_answer_as_any_other(
    server: Server, asset: Asset, destination: Path
) -> None:
    server.refusals = [416]
    with pytest.raises(InputError, match=r"thing: .* answers with HTTP 416; try again later"):
        fetch(asset, destination, None, **FAST)
    assert not destination.exists()


def test_a_part_that_the_server_cannot_continue_is_dropped(
    server: Server, asset: Asset, destination: Path
) -> None:
    server.refusals = [416]
    leave_part(destination, b"x" * 1000)
    fetch(asset, destination, None, **FAST)
    assert_whole(destination)
    assert [asked for asked, _ in server.seen] == ["bytes=1000-", None]


def test_a_complete_part_needs_no_request(server: Server, asset: Asset, destination: Path) -> None:
    leave_part(destination, CONTENT)
    fetch(asset, destination, None, **FAST)
    assert_whole(destination)
    assert server.seen == []


def test_a_part_of_full_size_but_wrong_is_dropped(
    server: Server, asset: Asset, destination: Path
) -> None:
    leave_part(destination, b"x" * len(CONTENT))
    fetch(asset, destination, None, **FAST)
    assert_whole(destination)
    assert server.seen == [(None, len(CONTENT))]


@pytest.mark.parametrize("came", [b"x" * len(CONTENT), CONTENT[:-1], CONTENT + b"x"])
def test_another_file_is_refused(
    server: Server, asset: Asset, destination: Path, came: bytes
) -> None:
    server.files[f"/{PATH}"] = came
    message = assert_refused("not the expected file", asset, destination)
    assert asset.sha256 in message
    assert hashlib.sha256(came).hexdigest() in message
    assert list(destination.parent.iterdir()) == []


def test_404(server: Server, asset: Asset, destination: Path) -> None:
    server.files.clear()
    message = assert_refused("does not exist .HTTP 404.", asset, destination)
    assert asset.url in message
    assert "MODALITY_GAP_MIRROR" in message
    assert len(server.seen) == 1


def test_a_passing_500_is_asked_again(server: Server, asset: Asset, destination: Path) -> None:
    server.refusals = [500, 503]
    fetch(asset, destination, None, **FAST)
    assert_whole(destination)
    assert len(server.seen) == 3


def test_a_lasting_500_is_told(server: Server, asset: Asset, destination: Path) -> None:
    server.refusals = [500] * 9
    assert_refused("HTTP 500", asset, destination)
    assert len(server.seen) == 1 + FAST["retries"]


def test_a_body_cut_short_is_continued(server: Server, asset: Asset, destination: Path) -> None:
    server.cuts = [300_000]
    fetch(asset, destination, None, **FAST)
    assert_whole(destination)
    first, second = server.seen
    assert first == (None, 300_000)
    assert 0 < int(second[0].removeprefix("bytes=").removesuffix("-")) <= 300_000


def test_a_body_always_cut_short_is_told_and_kept(
    server: Server, asset: Asset, destination: Path
) -> None:
    server.cuts = [300_000, 10, 10]
    assert_refused("stopped early", asset, destination)
    kept = part_of(destination).read_bytes()
    assert kept
    assert CONTENT.startswith(kept)


def test_a_silent_server_is_told(destination: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        with pytest.raises(InputError, match="cannot be reached"):
            fetch(an_asset(url=url), destination, None, timeout_s=0.1, retries=0)


def test_an_unreachable_origin_is_told(destination: Path, closed_url: str) -> None:
    url = f"{closed_url}/{PATH}"
    message = assert_refused("cannot be reached", an_asset(url=url), destination)
    assert url in message


def test_a_full_disk_is_told(
    asset: Asset, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(response: object, asset: Asset, part: Path) -> None:
        part.write_bytes(b"x")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(assets, "_save", refuse)
    message = assert_refused("No space left on device", asset, destination)
    assert "free at least 1 MB" in message
    assert not part_of(destination).exists()


def test_a_disk_that_is_full_before_a_byte_came_is_told_alike(
    asset: Asset, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(assets, "_save", refuse)
    message = assert_refused("Disk quota exceeded", asset, destination)
    assert "free at least 1 MB there, and run again" in message


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again_after_a_while_and_nothing_else(
    server: Server, asset: Asset, destination: Path, status: int
) -> None:
    server.refusals = [status, status]
    begin = time.monotonic()
    fetch(asset, destination, None, timeout_s=60.0, retries=2, backoff_s=0.1)
    # The first repetition comes at once, the second after twice the time given.
    assert time.monotonic() - begin >= 0.2
    assert len(server.seen) == 3
    server.refusals = [status + 70]
    destination.unlink()
    assert_refused(f"answers with HTTP {status + 70}", asset, destination)
    assert len(server.seen) == 4


def test_a_server_that_asks_for_hours_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", slept.append)
    busy = HTTPResponse(status=503, headers={"Retry-After": "7200"})
    for prefix in ("http://", "https://"):
        retry = assets._session(3, 0.5).get_adapter(f"{prefix}x").max_retries
        assert retry.total == 3
        for _ in range(3):
            retry = retry.increment("GET", "/", response=busy)
            retry.sleep(busy)
        assert slept == [1, 2]  # at once, then twice as long each time
        slept.clear()


def test_bytes_are_asked_for_as_they_are_in_the_file(tmp_path: Path) -> None:
    """Of a compressed answer, no byte would be at its place."""
    seen = []

    def get(url: str, **settings: object) -> SimpleNamespace:
        seen.append(settings)
        return SimpleNamespace(ok=True)

    session = SimpleNamespace(get=get)
    for have in (0, 7):
        (tmp_path / "part").write_bytes(b"x" * have)
        assert assets._ask(session, "https://x/y", tmp_path / "part", 3.0).ok
    whole = {"Accept-Encoding": "identity"}
    assert [one["headers"] for one in seen] == [whole, whole | {"Range": "bytes=7-"}]
    assert all(one["stream"] is True and one["timeout"] == 3.0 for one in seen)


def test_a_folder_that_cannot_be_made_is_told(asset: Asset, tmp_path: Path) -> None:
    (tmp_path / "resources").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        fetch(asset, tmp_path / "resources" / PATH, None, **FAST)


def test_a_mirror_folder_comes_first(
    server: Server, asset: Asset, destination: Path, tmp_path: Path
) -> None:
    held = tmp_path / "mirror" / PATH
    held.parent.mkdir(parents=True)
    held.write_bytes(CONTENT)
    assert fetch(asset, destination, str(tmp_path / "mirror"), **FAST) == "mirror"
    assert_whole(destination)
    assert server.seen == []


def test_a_mirror_address_comes_first(server: Server, destination: Path, closed_url: str) -> None:
    asset = an_asset(url=f"{closed_url}/{PATH}")
    server.files = {f"/deep/{PATH}": CONTENT}
    assert fetch(asset, destination, f"{server.url}/deep/", **FAST) == "mirror"
    assert_whole(destination)


@pytest.mark.parametrize("kind", ["empty folder", "address with 404", "dead address"])
def test_a_mirror_without_the_file_gives_way(
    server: Server,
    asset: Asset,
    destination: Path,
    tmp_path: Path,
    closed_url: str,
    kind: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mirror = {
        "empty folder": str(tmp_path),
        "address with 404": f"{server.url}/nowhere",
        "dead address": closed_url,
    }[kind]
    assert fetch(asset, destination, mirror, **FAST) == "origin"
    assert_whole(destination)
    assert "trying the origin" in capsys.readouterr().err


@pytest.mark.parametrize("of_folder", [True, False])
def test_a_wrong_file_in_the_mirror_gives_way(
    server: Server,
    asset: Asset,
    destination: Path,
    tmp_path: Path,
    of_folder: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    held = tmp_path / "mirror" / PATH
    held.parent.mkdir(parents=True)
    held.write_bytes(b"wrong")
    server.files[f"/mirror/{PATH}"] = b"wrong"
    mirror = str(tmp_path / "mirror") if of_folder else f"{server.url}/mirror"
    assert fetch(asset, destination, mirror, **FAST) == "origin"
    assert_whole(destination)
    assert "not the expected file" in capsys.readouterr().err


def a_wheel(folder: Path) -> Path:
    info = "thing-1.0.dist-info"
    wheel = folder / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("thing/data.bin", CONTENT)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def test_a_wheel_comes_through_pip_or_is_told(
    tmp_path: Path, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = a_wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    asset = an_asset(wheel.read_bytes(), kind="wheel", requirement="thing==1.0")
    assert fetch(asset, destination, None, **FAST) == "origin"
    assert read_member(destination, "thing/data.bin") == CONTENT
    assert list(destination.parent.iterdir()) == [destination]

    destination.unlink()
    absent = replace(asset, requirement="thing==2.0")
    assert_refused("pip could not download thing==2.0", absent, destination)
    assert list(destination.parent.iterdir()) == []


@pytest.mark.parametrize(("status", "name"), [(0, ""), (1, "thing-1.0-py3-none-any.whl")])
def test_pip_must_end_well_and_leave_a_wheel(
    destination: Path, monkeypatch: pytest.MonkeyPatch, status: int, name: str
) -> None:
    asset = an_asset(kind="wheel", requirement="thing==1.0")

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
        if name:
            Path(command[command.index("--dest") + 1], name).write_bytes(CONTENT)
        assert command[command.index("--retries") + 1] == "2"
        assert command[command.index("--timeout") + 1] == "60.0"
        assert {"--no-deps", "--only-binary=:all:", "thing==1.0"} <= {*command}
        return subprocess.CompletedProcess(command, status)

    monkeypatch.setattr(assets.subprocess, "run", run)
    assert_refused("pip could not download thing==1.0", asset, destination)


def test_read_member_tells_what_is_wrong(tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path)
    damaged = tmp_path / "damaged.whl"
    damaged.write_bytes(wheel.read_bytes()[:-30])
    flipped = tmp_path / "flipped.whl"
    flipped.write_bytes(wheel.read_bytes().replace(CONTENT[:256], b"x" * 256, 1))
    cases = [(wheel, "thing/none.bin", "has no member")]
    cases += [(path, "thing/data.bin", "cannot be read") for path in (damaged, flipped)]
    cases += [(tmp_path / "absent.whl", "thing/data.bin", "cannot be read")]
    for path, member, words in cases:
        with pytest.raises(InputError, match=words) as caught:
            read_member(path, member)
        assert str(path) in str(caught.value)
        assert member in str(caught.value)


def test_at_hand_means_under_resources_or_in_a_mirror_folder(tmp_path: Path) -> None:
    asset, resources, mirror = an_asset(url="http://x/a"), tmp_path / "resources", tmp_path / "m"
    assert not is_available(asset, resources, None)
    assert not is_available(asset, resources, str(mirror))
    assert not is_available(asset, resources, "http://127.0.0.1:9")
    (mirror / PATH).parent.mkdir(parents=True)
    (mirror / PATH).touch()
    assert is_available(asset, resources, str(mirror))
    assert not is_available(asset, resources, None)
    shutil.move(mirror, resources)
    assert is_available(asset, resources, None)
    assert is_available(asset, resources, str(mirror))  # from which nothing is needed
    (resources / PATH).unlink()
    (resources / PATH).mkdir()
    assert not is_available(asset, resources, None)


def test_the_projects_own_table_loads() -> None:
    table = load_assets(ROOT / "config/assets.yaml")
    wheels = {name for name, asset in table.items() if asset.kind == "wheel"}
    assert wheels == {
        "clip_vit_b16_image",
        "efficientnet_lite0",
        "minilm",
        "twemoji",
        "emoji_names",
    }
    of_others = ("clap_esc50_", "flickr8k_b32_")
    released = {name for name in table if name.startswith(("released_", *of_others))}
    placed = {name for name, asset in table.items() if asset.kind == "placed"}
    assert {name for name, asset in table.items() if asset.optional} - placed == released
    seeds = {f"resnet50_seed{number:02d}" for number in range(1, 12)}
    samples = {name for name in table if "_sample" in name}
    assert placed - samples == {"hateful_memes", "imagenet_val", "imagenet_devkit"} | seeds
    for name, asset in table.items():
        assert (asset.member is not None) == (asset.kind == "wheel")
        if name in wheels | released:
            assert len(asset.sha256) == 64
            assert asset.bytes
        # OpenAI and torchvision write the checksum, or its beginning, into the address.
        if name.endswith(("_openai", "_imagenet")):
            assert asset.sha256 in asset.url


GOOD = {key: value for key, value in vars(an_asset(url="http://x/a")).items() if value is not None}
del GOOD["id"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mirrors": 1}, "unknown key mirrors"),
        ({"id": "other"}, "unknown key id"),
        ({"licence": None}, "`licence` is None"),
        ({"bytes": "12"}, "`bytes` is '12'"),
        ({"bytes": 0}, "`bytes` is 0"),
        ({"bytes": True}, "`bytes` is True"),
        ({"optional": "yes"}, "`optional` is 'yes'"),
        ({"sha256": "abcdef0"}, "at least the first 8 of 64 hex digits"),
        ({"sha256": "0" * 65}, "at least the first 8 of 64 hex digits"),
        ({"sha256": "G" * 64}, "at least the first 8 of 64 hex digits"),
        ({"sha256": None, "md5": "0" * 31}, "32 hex digits"),
        ({"sha256": None, "md5": "0" * 33}, "32 hex digits"),
        ({"bytes": -1}, "`bytes` is -1, but must be above 0"),
        ({"bytes": None}, "give either `bytes`"),
        ({"licence": ""}, "`licence` is ''; give a text that is not empty"),
        ({"url": None}, "must have `requirement`"),
        ({"no_checksum": "none"}, "give exactly one of `sha256`, `md5` and `no_checksum`"),
        ({"md5": "abc"}, "give exactly one of `sha256`, `md5` and `no_checksum`"),
        ({"sha256": None}, "give exactly one of `sha256`, `md5` and `no_checksum`"),
        ({"about_bytes": 3}, "give either `bytes`"),
        ({"path": "../a"}, "leads out"),
        ({"path": "/a"}, "leads out"),
        ({"kind": "zip"}, "`kind` is 'zip'"),
        ({"kind": "wheel"}, "must have `requirement`"),
        ({"requirement": "a==1"}, "must have `requirement`"),
        ({"kind": "wheel", "url": None, "requirement": "a>=1"}, "name==version"),
        ({"url": "ftp://x"}, "not an http"),
    ],
)
def test_a_faulty_entry_is_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    table = tmp_path / "assets.yaml"
    table.write_text(yaml.safe_dump({"thing": GOOD}))
    assert load_assets(table) == {"thing": an_asset(url="http://x/a")}
    table.write_text(yaml.safe_dump({"thing": GOOD | change}))
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        load_assets(table)
    assert str(caught.value).startswith(f"{table}: the entry 'thing'")


def test_a_file_that_is_no_list_of_assets_or_has_a_path_twice_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "assets.yaml"
    for entries, told in (
        ([GOOD], "does not map ids to assets; restore it from the project's repository."),
        ({"a": GOOD, "b": GOOD}, "gives two assets the same `path`; give each its own path."),
    ):
        table.write_text(yaml.safe_dump(entries))
        with pytest.raises(InputError, match=re.escape(f"{table} {told}")):
            load_assets(table)


@pytest.mark.parametrize(
    "change",
    [
        {"bytes": 1},
        {"bytes": None, "about_bytes": 1},
        {"sha256": "01234567"},
        {"sha256": None, "md5": "0" * 32},
        {"url": "https://x/a"},
        {"path": "a..b/c"},
        {"kind": "wheel", "url": None, "requirement": "a.b-c_d==1.0.post1+cpu"},
        {"optional": True},
    ],
)
def test_an_entry_at_the_edge_of_what_can_be_used_is_taken(
    tmp_path: Path, change: dict[str, object]
) -> None:
    entry = {key: value for key, value in (GOOD | change).items() if value is not None}
    (tmp_path / "assets.yaml").write_text(yaml.safe_dump({"thing": entry}))
    (asset,) = load_assets(tmp_path / "assets.yaml").values()
    assert all(getattr(asset, key) == value for key, value in change.items())


def test_a_size_is_exact_or_within_half_and_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    exact = placed_asset()
    rough = placed_asset(bytes=None, about_bytes=1000, sha256=None, no_checksum="a test")
    assert (exact.size, exact.largest) == (len(CONTENT), len(CONTENT))
    assert (rough.size, rough.largest) == (1000, 2000)
    for size, right in ((499, False), (500, True), (2000, True), (2001, False)):
        path.write_bytes(b"x" * size)
        if right:
            check_placed(rough, path)
        else:
            words = rf"\({size} bytes .* arrived, about 1000 bytes were"
            with pytest.raises(InputError, match=words):
                check_placed(rough, path)


@pytest.mark.parametrize("key", ["kind", "path", "licence", "purpose"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    table = tmp_path / "assets.yaml"
    table.write_text(yaml.safe_dump({"thing": {k: v for k, v in GOOD.items() if k != key}}))
    with pytest.raises(InputError, match=f"missing key {key}"):
        load_assets(table)


@pytest.mark.parametrize("text", ["- a", "a: [", "", None, yaml.safe_dump({"a": GOOD, "b": GOOD})])
def test_a_faulty_table_is_refused(tmp_path: Path, text: str | None) -> None:
    table = tmp_path / "assets.yaml"
    if text is not None:
        table.write_text(text)
    with pytest.raises(InputError, match=re.escape(str(table))) as caught:
        load_assets(table)
    assert "\n" not in str(caught.value)


def placed_asset(**changes: object) -> Asset:
    return an_asset(kind="placed", url="https://example.org/terms", **changes)


@pytest.mark.parametrize("mirror", [None, "no/such/folder"])
def test_a_placed_asset_is_never_fetched(
    monkeypatch: pytest.MonkeyPatch, destination: Path, mirror: str | None
) -> None:
    monkeypatch.setattr(assets, "_download", None)
    with pytest.raises(InputError) as caught:
        fetch(placed_asset(), destination, mirror, **FAST)
    told = str(caught.value)
    assert told.startswith(f"resources/{PATH} is missing and must be downloaded by hand")
    for words in ("https://example.org/terms", "MIT", "a test"):
        assert words in told
    assert "\n" not in told
    assert not list(destination.parent.iterdir())


def test_a_placed_asset_comes_from_a_mirror_checked(tmp_path: Path, destination: Path) -> None:
    (tmp_path / "mirror" / PATH).parent.mkdir(parents=True)
    (tmp_path / "mirror" / PATH).write_bytes(CONTENT)
    assert fetch(placed_asset(), destination, str(tmp_path / "mirror"), **FAST) == "mirror"
    assert destination.read_bytes() == CONTENT


def test_a_placed_file_is_checked_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(CONTENT)
    check_placed(placed_asset(), path)
    check_placed(placed_asset(sha256=None, md5=hashlib.md5(CONTENT).hexdigest()), path)
    path.write_bytes(CONTENT[:-1] + b"?")
    for asset in (placed_asset(), placed_asset(sha256=None, md5="0" * 32)):
        with pytest.raises(InputError, match="download it again from https:"):
            check_placed(asset, path)
    assert path.is_file()


@pytest.mark.parametrize(
    "known",
    [
        {"sha256": hashlib.sha256(CONTENT).hexdigest()[:8]},
        {"md5": hashlib.md5(CONTENT).hexdigest()},
        {"no_checksum": "a test"},
    ],
    ids=lambda known: next(iter(known)),
)
def test_what_is_published_of_a_file_is_checked(
    server: Server, destination: Path, capsys: pytest.CaptureFixture, known: dict[str, str]
) -> None:
    checks = {"sha256": None, "bytes": None, "about_bytes": 1_100_000} | known
    asset = an_asset(url=f"{server.url}/{PATH}", **checks)
    fetch(asset, destination, None, **FAST)
    assert destination.read_bytes() == CONTENT
    told = f"no checksum is published; {len(CONTENT)} bytes with sha256 "
    told += hashlib.sha256(CONTENT).hexdigest()
    assert (told in capsys.readouterr().err) == ("no_checksum" in known)
    # Half of it, as a connection that was cut leaves it, is taken up again.
    destination.rename(part_of(destination))
    part_of(destination).write_bytes(CONTENT[:500])
    fetch(asset, destination, None, **FAST)
    assert destination.read_bytes() == CONTENT
    assert server.seen[-1][0] == "bytes=500-"
    # A page of words instead of the file, and a byte that is wrong.
    for content in (b"<html>quota</html>", CONTENT[:-1] + b"?"):
        server.files[f"/{PATH}"] = content
        destination.unlink(missing_ok=True)
        if "no_checksum" in known and len(content) > 100:
            continue
        with pytest.raises(InputError, match=r"is not the expected file .*, about 1100000 "):
            fetch(asset, destination, None, **FAST)
        assert not list(destination.parent.iterdir())


def fetch_released(tmp_path: Path, urls: list[str], *options: str) -> str:
    """Run the script on one optional asset per URL; return its line, the exit status checked."""
    entry = GOOD | {"optional": True}
    table = {
        f"thing{i}": entry | {"path": f"released/{i}.npy", "url": url} for i, url in enumerate(urls)
    }
    # What only a person can place, and what other jobs download, is not asked for.
    table["placed"] = entry | {"kind": "placed", "path": "by/hand", "url": "http://x/a"}
    table["needed"] = GOOD | {"path": "needed/b", "url": "http://127.0.0.1:9/b"}
    (tmp_path / "assets.yaml").write_text(yaml.safe_dump(table))
    environment = {k: v for k, v in os.environ.items() if k != "MODALITY_GAP_MIRROR"}
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/sources/fetch_released.py", *options],
        cwd=tmp_path,
        env=environment | {"NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return done.stdout


def script_options(tmp_path: Path) -> list[str]:
    return ["--assets", str(tmp_path / "assets.yaml"), "--resources", str(tmp_path / "resources")]


def test_released_without_network_is_one_line(tmp_path: Path, closed_url: str) -> None:
    line = fetch_released(tmp_path, [f"{closed_url}/a"] * 2, *script_options(tmp_path))
    assert line.startswith("released features: not fetched (thing0: ")
    assert line.endswith("); the run continues without them\n")
    assert not [path for path in (tmp_path / "resources").rglob("*") if path.is_file()]


def test_released_stops_when_time_is_over(server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        urls = [f"{server.url}/{PATH}", f"http://127.0.0.1:{silent.getsockname()[1]}/a"]
        # All the time is for the silent one, however slow the machine.
        fetch_released(tmp_path, urls[:1], *script_options(tmp_path))
        part_of(tmp_path / "resources/released/1.npy").write_bytes(CONTENT[:10])
        line = fetch_released(tmp_path, urls, *script_options(tmp_path), "--time-limit", "0.5")
    assert "(not done within 0.5 s)" in line
    left = [path.name for path in (tmp_path / "resources/released").iterdir()]
    assert left == ["0.npy"]


def test_released_are_not_waited_for_in_no_time(tmp_path: Path) -> None:
    """A limit of 0 s is one, though no seconds would switch an alarm off."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        urls = [f"http://127.0.0.1:{silent.getsockname()[1]}/a"]
        line = fetch_released(tmp_path, urls, *script_options(tmp_path), "--time-limit", "0")
    assert "(not done within 0 s)" in line


def test_released_at_hand(server: Server, tmp_path: Path) -> None:
    options = script_options(tmp_path)
    for _ in range(2):
        line = fetch_released(tmp_path, [f"{server.url}/{PATH}"] * 2, *options)
        assert line == "released features: 2 of 2 available\n"
    assert len(server.seen) == 2


def test_released_have_twenty_seconds_of_which_one_of_them_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    asked, optional = [], GOOD | {"optional": True, "path": "released/0.npy"}
    (tmp_path / "assets.yaml").write_text(yaml.safe_dump({"thing": optional}))
    script = runpy.run_path(str(ROOT / "scripts/sources/fetch_released.py"), run_name="imported")
    names = script["main"].__globals__
    fetch_all = names["fetch_all"]
    monkeypatch.setitem(names, "fetch", lambda *_, **how: asked.append(how))
    monkeypatch.setitem(names, "fetch_all", lambda *given: asked.append(given))
    monkeypatch.setattr(sys, "argv", ["x", "--assets", str(tmp_path / "assets.yaml")])
    script["main"]()
    ((assets, *rest),) = asked
    assert rest == [Path("resources"), 20.0] and [asset.id for asset in assets] == ["thing"]
    assert "1 of 1 available" in capsys.readouterr().out
    before = signal.getsignal(signal.SIGALRM)
    assert fetch_all(assets, tmp_path, 8.0) is None
    signal.signal(signal.SIGALRM, before)
    assert asked[1:] == [{"timeout_s": 4.0, "retries": 1}]


def test_released_without_a_table_is_one_line(tmp_path: Path) -> None:
    line = fetch_released(tmp_path, [], "--assets", str(tmp_path / "none.yaml"))
    assert "none.yaml cannot be read" in line
