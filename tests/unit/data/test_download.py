import hashlib
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import qr
from qr.data import download as data_download
from qr.data.download import Item, download, download_list, read_list
from qr.errors import DataError

CONTENT = bytes(range(256)) * 3000  # 768,000 bytes: several chunks
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT under every path, as badly as a test asks it to."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges = True  # honour Range
        self.cuts = []  # for each coming answer, the number of bytes after which it breaks off
        self.statuses = []  # for each coming answer, a status instead of content
        self.announce = None  # a Content-Length that is not true
        self.seen = []  # the Range header of each request

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.seen.append(asked)
        if self.server.statuses:
            self.send_error(self.server.statuses.pop(0))
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(self.server.announce or len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def item(server):
    return Item(f"{server.url}/photo.png", DIGEST, "photo.png")


def fetch(item, folder, attempts=4):
    return download(item, folder, attempts=attempts, backoff=0)


def files(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_download_writes_the_file_and_nothing_else(item, tmp_path):
    path = fetch(item, tmp_path / "new" / "folder")
    assert path == tmp_path / "new/folder/photo.png"
    assert path.read_bytes() == CONTENT
    assert files(path.parent) == ["photo.png"]


def test_right_file_is_not_downloaded_again(server, item, tmp_path):
    fetch(item, tmp_path)
    fetch(item, tmp_path)
    assert server.seen == [None]


def test_file_with_another_digest_is_replaced(item, tmp_path):
    (tmp_path / "photo.png").write_bytes(b"an older one")
    assert fetch(item, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["photo.png", "photo.png.part"])
def test_what_a_link_points_to_is_left_alone(item, tmp_path, name):
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / name).symlink_to(outside)
    path = fetch(item, folder)
    assert outside.read_bytes() == b"mine"
    assert path.read_bytes() == CONTENT and not path.is_symlink()


def test_interrupted_download_resumes_within_a_run(server, item, tmp_path):
    server.cuts = [300_000, 200_000]
    assert fetch(item, tmp_path).read_bytes() == CONTENT
    assert server.seen == [None, "bytes=300000-", "bytes=500000-"]


def test_interrupted_download_resumes_in_the_next_run(server, item, tmp_path):
    server.cuts = [300_000]
    with pytest.raises(DataError, match=r"photo.png.*gave up after 1 attempts.*300000 of 768000"):
        fetch(item, tmp_path, attempts=1)
    assert files(tmp_path) == ["photo.png.part"]
    assert fetch(item, tmp_path).read_bytes() == CONTENT
    assert server.seen[1:] == ["bytes=300000-"]


def test_server_without_ranges_starts_again(server, item, tmp_path):
    server.ranges = False
    server.cuts = [300_000]
    assert fetch(item, tmp_path).read_bytes() == CONTENT


def test_complete_part_is_taken_as_it_is(server, item, tmp_path):
    (tmp_path / "photo.png.part").write_bytes(CONTENT)
    assert fetch(item, tmp_path).read_bytes() == CONTENT
    assert server.seen == [f"bytes={len(CONTENT)}-"]


def test_wrong_digest_is_refused_with_both_and_the_next_run_starts_anew(server, tmp_path):
    item = Item(f"{server.url}/photo.png", "0" * 64, "photo.png")
    with pytest.raises(DataError, match=f"photo.png.*expected {'0' * 64}, got {DIGEST}"):
        fetch(item, tmp_path)
    assert files(tmp_path) == []
    with pytest.raises(DataError):
        fetch(item, tmp_path)
    assert server.seen == [None, None]


def test_part_of_something_else_is_refused_then_replaced(item, tmp_path):
    (tmp_path / "photo.png.part").write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match="wrong SHA-256"):
        fetch(item, tmp_path)
    assert fetch(item, tmp_path).read_bytes() == CONTENT


def test_404_is_final_and_named(server, item, tmp_path):
    server.statuses = [404, 404]
    with pytest.raises(DataError, match=r"photo\.png: the server says 404"):
        fetch(item, tmp_path)
    assert len(server.seen) == 1
    assert files(tmp_path) == []


def test_busy_server_is_asked_again(server, item, tmp_path):
    server.statuses = [503, 500]
    assert fetch(item, tmp_path).read_bytes() == CONTENT


def test_unreachable_server_is_named(tmp_path):
    with Server() as gone:
        url = f"{gone.url}/photo.png"
    with pytest.raises(DataError, match=f"{url}: gave up after 2 attempts"):
        fetch(Item(url, DIGEST, "photo.png"), tmp_path, attempts=2)


@pytest.mark.parametrize("announce", [None, 10**12], ids=["in fact", "announced"])
def test_more_than_the_limit_is_refused(server, item, tmp_path, monkeypatch, announce):
    monkeypatch.setattr(data_download, "MAX_BYTES", 400_000 if announce is None else 10**9)
    server.announce = announce
    with pytest.raises(DataError, match=r"photo.png: more than"):
        fetch(item, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0


def test_folder_that_cannot_be_written_is_named(item, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/photo.png: cannot be written"):
        fetch(item, tmp_path / "file")


def write_list(folder, text):
    path = folder / "list.csv"
    path.write_text(text)
    return path


def test_list_is_downloaded_in_order(server, tmp_path, capsys):
    path = write_list(
        tmp_path,
        f"url,sha256,filename\n{server.url}/y/z%20z.png?v=/1.jpg,{DIGEST},\n{server.url}/x,{DIGEST},a.png\n",
    )
    downloaded = download_list(path, tmp_path / "photos", backoff=0)
    assert [p.name for p in downloaded] == ["z z.png", "a.png"]
    assert all(p.read_bytes() == CONTENT for p in downloaded)
    assert "2/2" in capsys.readouterr().err


@pytest.mark.parametrize(
    "row, reason",
    [
        (f"file:///etc/passwd,{DIGEST}", "not an http or https address"),
        (f"ftp://host/a.png,{DIGEST}", "not an http or https address"),
        (f"http:///a.png,{DIGEST}", "not an http or https address"),
        ("http://host/a.png,123", "not a SHA-256"),
        ("http://host/a.png", "not a SHA-256"),
        (f"http://[/a.png,{DIGEST}", "not an http or https address"),
        (f"http://host,{DIGEST}", "not a plain file name"),
        (f"http://host/,{DIGEST}", "not a plain file name"),
        (f"http://host/..,{DIGEST}", "not a plain file name"),
        (f"http://host/..%2F..%2Fa.png,{DIGEST}", "not a plain file name"),
        (f"http://host/a.png,{DIGEST},../a.png", "not a plain file name"),
        (f"http://host/a.png,{DIGEST},/tmp/a.png", "not a plain file name"),
        (f"http://host/a.png,{DIGEST},c:\\a.png", "not a plain file name"),
        (f"http://host/a.png,{DIGEST},.bashrc", "not a plain file name"),
        (f"http://host/a%00.png,{DIGEST}", "not a plain file name"),
        (f"http://host/a.part,{DIGEST}", "not a plain file name"),
    ],
)
def test_hostile_rows_are_refused_by_line(tmp_path, row, reason):
    path = write_list(tmp_path, f"url,sha256,filename\nhttp://host/ok.png,{DIGEST}\n{row}\n")
    with pytest.raises(DataError, match=f"list.csv, line 3: {reason}"):
        read_list(path)


@pytest.mark.parametrize("text", ["", "url,sha256\n", "a,b\n1,2\n", "\0", "url,sha256\n\0,\0\n"])
def test_what_is_no_list_is_refused(tmp_path, text):
    with pytest.raises(DataError, match=r"list.csv"):
        read_list(write_list(tmp_path, text))


def test_names_may_not_occur_twice(tmp_path):
    text = f"url,sha256\nhttp://a/x.png,{DIGEST}\nhttp://b/x.png,{DIGEST}\n"
    with pytest.raises(DataError, match=r"two files would be called x.png"):
        read_list(write_list(tmp_path, text))


def test_kodak_list_names_the_24_images():
    items = read_list(Path(qr.__path__[0]) / "resources" / "kodak.csv")
    assert [item.filename for item in items] == [f"kodim{n:02}.png" for n in range(1, 25)]
    assert len({item.sha256 for item in items}) == 24
    assert {item.url.rsplit("/", 1)[0] for item in items} == {"http://r0k.us/graphics/kodak/kodak"}


def test_two_processes_download_a_list_one_after_the_other(server, tmp_path):
    """Both would write the same unfinished file; the second finds everything there."""
    table = tmp_path / "list.csv"
    table.write_text(f"url,sha256\n{server.url}/a.png,{DIGEST}\n")
    code = "import sys; from qr.data.download import download_list; download_list(*sys.argv[1:])"
    with data_download._alone(tmp_path / "files"):
        command = [sys.executable, "-c", code, str(table), str(tmp_path / "files")]
        other = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert "another download into it goes first" in other.stderr.readline()
        assert server.seen == []
        download(read_list(table)[0], tmp_path / "files")
    other.communicate(timeout=60)
    assert other.returncode == 0
    assert server.seen == [None]


def test_where_there_can_be_no_lock_nobody_waits(server, tmp_path):
    """A folder that is read only and has everything."""
    table = tmp_path / "list.csv"
    table.write_text(f"url,sha256\n{server.url}/a.png,{DIGEST}\n")
    first = download_list(table, tmp_path / "files")
    (tmp_path / "files" / ".lock").unlink()
    (tmp_path / "files" / ".lock").mkdir()  # as little to be opened; also root may not
    assert download_list(table, tmp_path / "files") == first
    assert server.seen == [None]
