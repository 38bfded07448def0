"""Download a list of files by digest: resumed where interrupted, never left half written."""

import csv
import fcntl
import http.client
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from qr.errors import DataError
from qr.files import file_digest
from qr.progress import track

MAX_BYTES = 2 * 2**30  # of one file, whatever the server announces
CHUNK = 2**18
RETRY_STATUS = {408, 425, 429, 500, 502, 503, 504}
INTERRUPTIONS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


@dataclass(frozen=True)
class Item:
    """One file to download: where from, its digest (lower-case hex), the name that it gets."""

    url: str
    sha256: str
    filename: str


def read_list(path: Path | str) -> list[Item]:
    """Read a CSV with the columns url, sha256 and, if wanted, filename (else the URL's last part).

    Raises:
        DataError: names the list and the line with a URL that is not http or https, a digest
            that is none, or a name that could leave the folder or that occurs twice.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = set(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a list of downloads: {error}") from error
    if not {"url", "sha256"} <= columns:
        raise DataError(f"{path}: a list of downloads starts with the line url,sha256")
    items = [_item(row, f"{path}, line {line}") for line, row in rows]
    if not items:
        raise DataError(f"{path}: the list of downloads is empty")
    name, count = Counter(item.filename for item in items).most_common(1)[0]
    if count > 1:
        raise DataError(f"{path}: two files would be called {name}; give a filename")
    return items


def _item(row: dict, where: str) -> Item:
    url, digest = (row["url"] or "").strip(), (row["sha256"] or "").strip().lower()
    address = _address(url)
    if address is None:
        raise DataError(f"{where}: not an http or https address: {url!r}")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise DataError(f"{where}: not a SHA-256 in hex: {digest!r}")
    name = (row.get("filename") or "").strip() or unquote(address.path.rsplit("/", 1)[-1])
    unsafe = not name.isprintable() or re.search(r"[\\/:]", name)  # could leave the folder
    if not name or unsafe or name.startswith(".") or name.endswith(".part"):
        raise DataError(f"{where}: not a plain file name: {name!r}")
    return Item(url, digest, name)


def _address(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def download_list(
    path: Path | str, folder: Path | str, *, attempts: int = 4, backoff: float = 1.0
) -> list[Path]:
    """Download what the CSV list at `path` names into `folder`; returns the files in its order.

    A file that is there with the right digest is not downloaded again. `attempts` per file,
    with `backoff`, 2 x `backoff`, ... seconds between them.

    Raises:
        DataError: a download failed, or has another digest than the list says.
    """
    items = read_list(path)
    label = f"download to {folder}"
    with _alone(Path(folder)):
        fetched = (download(item, folder, attempts=attempts, backoff=backoff) for item in items)
        return list(track(fetched, len(items), label))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process downloads into `folder`: both would write the same files.

    Where there can be no lock, as in a folder that is read only and whole, nobody waits.
    """
    with ExitStack() as held:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                file = held.enter_context(open(folder / ".lock", "a"))
            except PermissionError:  # another user's
                file = held.enter_context(open(folder / ".lock"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"{folder}: another download into it goes first", file=sys.stderr, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def download(item: Item, folder: Path | str, *, attempts: int = 4, backoff: float = 1.0) -> Path:
    """Download one file; see `download_list`."""
    target = Path(folder) / item.filename
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file():
            if file_digest(target) == item.sha256:
                return target
            print(f"{target}: not the listed digest, downloading it again", file=sys.stderr)
        if part.is_symlink():
            part.unlink()  # else the file that it points to would be written
        _fetch_with_retries(item.url, part, attempts, backoff)
        _verify(part, item)
        part.replace(target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error}") from error
    return target


def _fetch_with_retries(url: str, part: Path, attempts: int, backoff: float) -> None:
    for attempt in range(1, attempts + 1):
        try:
            _fetch(url, part)
            return
        except INTERRUPTIONS as error:
            if isinstance(error, urllib.error.HTTPError) and error.code not in RETRY_STATUS:
                raise DataError(f"{url}: the server says {error.code} {error.reason}") from error
            if attempt == attempts:
                raise DataError(
                    f"{url}: gave up after {attempts} attempts: {error}; run it again to go on "
                    "from what has arrived"
                ) from error
            print(f"{url}: {error}, trying again", file=sys.stderr, flush=True)
            time.sleep(backoff * 2 ** (attempt - 1))


def _fetch(url: str, part: Path) -> None:
    """Append to `part` what it lacks, or write it anew if the server cannot resume."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "qr-benchmark"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to send: the digest will judge
            return
        raise
    with response, open(part, "ab") as file:
        if not _resumes_at(response, have):
            file.truncate(0)
            have = 0
        _copy(response, file, have, url)


def _resumes_at(response, position: int) -> bool:
    content_range = response.headers.get("Content-Range", "")
    return response.status == 206 and content_range.startswith(f"bytes {position}-")


def _copy(response, file, have: int, url: str) -> None:
    announced = response.length or 0  # 0: unknown
    received = 0
    while chunk := response.read(CHUNK):
        received += len(chunk)
        if have + max(received, announced) > MAX_BYTES:
            file.truncate(0)
            raise DataError(f"{url}: more than {MAX_BYTES} bytes, which no image has")
        file.write(chunk)
    if received < announced:
        raise ConnectionError(f"the connection ended after {received} of {announced} bytes")


def _verify(part: Path, item: Item) -> None:
    digest = file_digest(part)
    if digest != item.sha256:
        part.unlink()  # so that the next run starts anew
        raise DataError(
            f"{item.url}: wrong SHA-256: expected {item.sha256}, got {digest}; discarded"
        )
