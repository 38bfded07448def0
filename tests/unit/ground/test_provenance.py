"""What a result came from: commit, machine, packages."""

import hashlib
import json
import subprocess

from qr import files, provenance


def test_the_digest_of_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content" * 100_000)
    assert files.file_digest(path) == hashlib.sha256(b"content" * 100_000).hexdigest()


def git(folder, *arguments):
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_the_commit_and_whether_files_differ(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    package = tmp_path / "repository" / "qr"
    package.mkdir(parents=True)
    monkeypatch.setattr(provenance, "_PACKAGE", package)
    assert provenance.git_commit() == ("unknown", None)

    (package / "code.py").write_text("x = 1")
    (package.parent / "results").mkdir()
    (package.parent / "results" / "table").write_text("1")
    git(package.parent, "init", "-q")
    git(package.parent, "add", "-A")
    git(package.parent, "commit", "-qm", "start")
    head = git(package.parent, "rev-parse", "HEAD").strip()
    assert provenance.git_commit() == (head, False)
    (package.parent / "results" / "table").write_text("2")
    (package.parent / "overlay.py").write_text("x = 1")
    assert provenance.git_commit() == (head, False)
    (package / "deeper").mkdir()
    (package / "deeper" / "new.py").write_text("x = 1")
    assert provenance.git_commit() == (head, True)
    (package / "deeper" / "new.py").unlink()
    (package / "code.py").write_text("x = 2")
    assert provenance.git_commit() == (head, True)
    # As git takes a checkout that another user owns.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert provenance.git_commit() == (head, True)


def test_machine_and_packages_are_plain_data():
    told = {**provenance.machine(), **provenance.packages()}
    assert json.loads(json.dumps(told)) == told
    assert provenance.machine()["memory_gib"] > 0
    import torch

    assert provenance.packages()["torch"] == torch.__version__.split("+")[0]
