"""The table of assets, and the download of an asset."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from dataclasses import MISSING, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import get_args, get_type_hints

import requests
import yaml
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from modality_gap.errors import InputError

CHUNK_BYTES = 1 << 18
URL_PREFIXES = ("http://", "https://")
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# How a message names what a field of an asset can be.
WANTED = {str: "a text that is not empty", int: "a whole number", bool: "true or false"}


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file to download or to place; config/assets.yaml explains the fields."""

    id: str
    kind: str
    path: str
    licence: str
    purpose: str
    sha256: str | None = None
    md5: str | None = None
    no_checksum: str | None = None
    bytes: int | None = None
    about_bytes: int | None = None
    requirement: str | None = None
    url: str | None = None
    member: str | None = None
    treatment: str | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            value = getattr(self, name)
            fits = isinstance(value, kind)
            if isinstance(value, bool) and kind is not bool:  # to Python, True is a whole number
                fits = False
            if not fits or value == "":
                wanted = " or ".join(
                    WANTED[one] for one in get_args(kind) or [kind] if one in WANTED
                )
                raise InputError(f"`{name}` is {value!r}; give {wanted}")
        if self.kind not in ("wheel", "file", "placed"):
            raise InputError(f"`kind` is {self.kind!r}, which is not wheel, file or placed")
        source, other = self.url, self.requirement
        if self.kind == "wheel":
            source, other = other, source
        if source is None or other is not None:
            raise InputError(
                f"a {self.kind} must have `requirement` (wheel) or `url` (file, placed), not both"
            )
        if self.requirement and not re.fullmatch(r"[\w.-]+==[\w.!+]+", self.requirement):
            raise InputError(
                f"`requirement` is {self.requirement!r}, but must have the form name==version"
            )
        if self.url and not self.url.startswith(URL_PREFIXES):
            raise InputError(f"`url` is {self.url!r}, which is not an http(s) address")
        if len([x for x in (self.sha256, self.md5, self.no_checksum) if x is not None]) != 1:
            raise InputError(
                "give exactly one of `sha256`, `md5` and `no_checksum` (why there is neither)"
            )
        if self.sha256 and not re.fullmatch(r"[0-9a-f]{8,64}", self.sha256):
            raise InputError(
                f"`sha256` is {self.sha256!r}, but must be at least the first 8 of 64 hex digits"
            )
        if self.md5 and not re.fullmatch(r"[0-9a-f]{32}", self.md5):
            raise InputError(f"`md5` is {self.md5!r}, but must be 32 hex digits")
        if (self.bytes is None) == (self.about_bytes is None):
            raise InputError("give either `bytes` (the exact size) or `about_bytes` (roughly)")
        if self.size <= 0:
            raise InputError(f"`bytes` is {self.size}, but must be above 0")
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"`path` is {self.path!r}, which leads out of resources/")

    @property
    def size(self) -> int:
        """The number of bytes, exact or approximate."""
        return self.bytes or self.about_bytes or 0

    @property
    def largest(self) -> int:
        """The largest number of bytes that the file can have."""
        return self.size if self.about_bytes is None else 2 * self.size


def load_assets(path: Path) -> dict[str, Asset]:
    """Read the table of assets: a dictionary by id, in the order of the file.

    Raises InputError that names the file and the entry. The reason may be that the file is absent
    or no YAML mapping, or that an entry lacks a key, has an unknown key or an invalid value.
    """
    try:
        table = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} cannot be read ({reason}); restore it from the project's repository."
        ) from error
    if not isinstance(table, dict):
        raise InputError(
            f"{path} does not map ids to assets; restore it from the project's repository."
        )
    assets = {name: _asset(path, name, entry) for name, entry in table.items()}
    if len({asset.path for asset in assets.values()}) < len(assets):
        raise InputError(f"{path} gives two assets the same `path`; give each its own path.")
    return assets


def _asset(path: Path, name: str, entry: object) -> Asset:
    keys = {field.name: field for field in fields(Asset) if field.name != "id"}
    values = entry if isinstance(entry, dict) else {}
    unknown = sorted(map(str, values.keys() - keys.keys()))
    missing = [key for key, field in keys.items() if field.default is MISSING and key not in values]
    try:
        if unknown:
            raise InputError(f"unknown key {', '.join(unknown)}")
        if missing:
            raise InputError(f"missing key {', '.join(missing)}")
        return Asset(id=name, **values)
    except InputError as error:
        raise InputError(
            f"{path}: the entry {name!r} has a fault ({error}); correct it."
        ) from error


class _SourceError(Exception):
    """A source could not give the asset. The message is half a sentence, without the remedy."""


def part_of(destination: Path) -> Path:
    """The temporary name of a download, until its checksum is known to be right."""
    return destination.with_name(destination.name + ".part")


def fetch(
    asset: Asset,
    destination: Path,
    mirror: str | None,
    timeout_s: float,
    retries: int = 3,
    backoff_s: float = 1.0,
) -> str:
    """Download one asset to `destination`, completely or not at all; return "mirror" or "origin".

    The mirror is tried first: a folder, or an http(s) prefix, in which the file has its usual path.
    If the mirror does not have the file, the origin is used, and stderr says so. A connection may
    be silent for `timeout_s` seconds. A failed attempt is repeated `retries` times; the pauses are
    `backoff_s` seconds, then twice as long each time. An interrupted download continues from the
    bytes in `part_of(destination)`.

    Raises InputError if neither source gives the file, if its size or checksum is wrong, or if it
    cannot be written.
    """
    part = part_of(destination)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with _session(retries, backoff_s) as session:

            def download(url: str) -> None:
                _download(session, url, asset, part, timeout_s, retries, backoff_s)

            if mirror:
                try:
                    if mirror.startswith(URL_PREFIXES):
                        download(f"{mirror.rstrip('/')}/{asset.path}")
                    else:
                        _copy(Path(mirror) / asset.path, part)
                    return _checked(asset, part, destination, "mirror")
                except _SourceError as error:
                    print(f"{asset.id}: mirror: {error}; trying the origin", file=sys.stderr)
            if asset.kind == "placed":
                raise InputError(absence(asset))
            if asset.kind == "wheel":
                _pip_download(asset, part, timeout_s, retries)
            else:
                assert asset.url, asset
                download(asset.url)
            return _checked(asset, part, destination, "origin")
    except _SourceError as error:
        raise InputError(
            f"{asset.id}: {error}; try again later, or put the file at {asset.path} in your mirror "
            "(MODALITY_GAP_MIRROR)."
        ) from error
    except OSError as error:
        remedy = "check that its folder can be read and written, and run again"
        if error.errno in DISK_FULL:
            part.unlink(missing_ok=True)
            remedy = f"free at least {asset.size / 1e6:.0f} MB there, and run again"
        raise InputError(
            f"{asset.id}: {destination} cannot be written ({error}); {remedy}."
        ) from error


def _checked(asset: Asset, part: Path, destination: Path, source: str) -> str:
    """Move a download to its destination if it is the expected file; return `source`."""
    _check(asset, part)
    os.replace(part, destination)
    return source


def is_available(asset: Asset, resources: Path, mirror: str | None) -> bool:
    """Whether the file is in `resources`, or in a mirror that is a folder. No network is needed."""
    places = [Path(resources) / asset.path]
    if mirror and not mirror.startswith(URL_PREFIXES):
        places.append(Path(mirror) / asset.path)
    return any(place.is_file() for place in places)


def absence(asset: Asset) -> str:
    """The error message for a file that must be downloaded by hand: its content, address and
    licence, and where to put it."""
    return (
        f"resources/{asset.path} is missing and must be downloaded by hand: get it from "
        f"{asset.url} (licence: {asset.licence}) and put it at that path, or remove the entries "
        f"that need it from the configuration. The file is: {asset.purpose}"
    )


def check_placed(asset: Asset, path: Path) -> None:
    """Check the size and the checksum of a file that the user has placed, as far as they are known.

    Raises InputError if it is not the expected file, and does not change the file.
    """
    fault = _fault(asset, path)
    if fault:
        raise InputError(
            f"{asset.id}: {path} is not the expected file ({fault}); download it again from "
            f"{asset.url}."
        )


def read_member(wheel_path: Path, member: str) -> bytes:
    """The bytes of one file inside a wheel.

    Raises InputError that names the wheel and the member if the wheel is absent or damaged, or has
    no such member.
    """
    try:
        with zipfile.ZipFile(wheel_path) as archive:
            return archive.read(member)
    except KeyError as error:
        raise InputError(
            f"{wheel_path} has no member {member}; correct `member` in config/assets.yaml, or "
            "delete the wheel and run again."
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise InputError(
            f"{member} cannot be read from {wheel_path} ({error}); delete the wheel and run again, "
            "so that it is downloaded again."
        ) from error


def _session(retries: int, backoff_s: float) -> requests.Session:
    """A session that repeats a request until a response begins. `_download` handles the body."""
    retry = Retry(
        total=retries,
        backoff_factor=backoff_s,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
        # A server may ask for hours; how long to wait is up to `retries` and `backoff_s`.
        respect_retry_after_header=False,
    )
    session = requests.Session()
    for prefix in URL_PREFIXES:
        session.mount(prefix, HTTPAdapter(max_retries=retry))
    return session


def _ask(session: requests.Session, url: str, part: Path, timeout_s: float) -> requests.Response:
    """A response to stream: the rest of `part` (status 206) or the whole file (status 200)."""
    have = part.stat().st_size if part.exists() else 0
    # Without compression, byte positions and Content-Length are those of the file itself.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = session.get(url, headers=headers, stream=True, timeout=timeout_s)
    except requests.RequestException as error:
        raise _SourceError(f"{url} cannot be reached ({type(error).__name__})") from error
    if response.ok:
        return response
    response.close()
    if response.status_code == requests.codes.requested_range_not_satisfiable and have:
        part.unlink()
        return _ask(session, url, part, timeout_s)
    if response.status_code == requests.codes.not_found:
        raise _SourceError(f"{url} does not exist (HTTP 404)")
    raise _SourceError(f"{url} answers with HTTP {response.status_code}")


def _download(
    session: requests.Session,
    url: str,
    asset: Asset,
    part: Path,
    timeout_s: float,
    retries: int,
    backoff_s: float,
) -> None:
    """Download into `part` until the body ends. If the connection breaks, the download resumes."""
    if part.exists() and part.stat().st_size >= asset.size:
        # There is nothing left to request; only a complete file is kept.
        with contextlib.suppress(_SourceError):
            return _check(asset, part)
    for attempt in range(retries + 1):
        try:
            with _ask(session, url, part, timeout_s) as response:
                return _save(response, asset, part)
        except requests.RequestException as error:
            if attempt == retries:
                reason = type(error).__name__
                raise _SourceError(f"the download of {url} stopped early ({reason})") from error
            time.sleep(backoff_s * 2**attempt)
    return None


def _save(response: requests.Response, asset: Asset, part: Path) -> None:
    from tqdm import tqdm  # here: every Snakemake reads this file

    mode = "ab" if response.status_code == requests.codes.partial_content else "wb"
    with (
        part.open(mode) as stream,
        tqdm(
            desc=asset.id,
            total=asset.size,
            initial=stream.tell(),
            unit="B",
            unit_scale=True,
            mininterval=1,
        ) as bar,
    ):
        for chunk in response.iter_content(CHUNK_BYTES):
            stream.write(chunk)
            bar.update(len(chunk))
            if stream.tell() > asset.largest:
                break  # Not the requested file: `_check` refuses it, and no more of it is written.


def _copy(source: Path, part: Path) -> None:
    if not source.is_file():
        raise _SourceError(f"{source} does not exist")
    shutil.copyfile(source, part)


def _pip_download(asset: Asset, part: Path, timeout_s: float, retries: int) -> None:
    with tempfile.TemporaryDirectory(dir=part.parent, prefix=f"{part.name}.") as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--timeout", str(timeout_s), "--retries", str(retries)]
        assert asset.requirement, asset
        command += ["--dest", folder, asset.requirement]
        done = subprocess.run(command, stdout=sys.stderr, stderr=sys.stderr, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise _SourceError(f"pip could not download {asset.requirement} (see its output above)")
        os.replace(wheels[0], part)


def _check(asset: Asset, part: Path) -> None:
    """Remove `part` and raise _SourceError if its size or checksum is wrong."""
    fault = _fault(asset, part)
    if fault:
        part.unlink()
        raise _SourceError(f"the downloaded file is not the expected file ({fault})")


def _fault(asset: Asset, path: Path) -> str | None:
    """How a file differs from the asset's entry, in words; None if it does not differ. If no
    checksum is known, the file's own checksum is printed to stderr."""
    size, algorithm = path.stat().st_size, "md5" if asset.md5 else "sha256"
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, algorithm).hexdigest()
    came = f"{size} bytes with {algorithm} {digest} arrived"
    if asset.no_checksum:
        print(f"{asset.id}: no checksum is published; {came}", file=sys.stderr)
    expected = asset.sha256 or asset.md5 or ""
    # An error page sent instead of the file is far smaller.
    fits = size == asset.bytes if asset.bytes else asset.size / 2 <= size <= asset.largest
    if fits and digest.startswith(expected):
        return None
    about = "" if asset.bytes else "about "
    wanted = f" with {algorithm} {expected}" if expected else ""
    return f"{came}, {about}{asset.size} bytes{wanted} were expected"
