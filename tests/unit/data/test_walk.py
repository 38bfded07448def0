"""What commands find in a folder."""

import os

import pytest

from qr.coding.arguments import list_coded
from qr.data.images import list_images
from qr.data.walk import exists, files_below, is_folder, refuse_overwriting
from qr.errors import DataError


def made(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return folder


def found(folder, suffixes=(".png",)):
    return [path.relative_to(folder).as_posix() for path in files_below(folder, suffixes, "files")]


def test_files_are_found_below_by_suffix_and_sorted(tmp_path):
    made(tmp_path, "b.png", "a/c.PNG", "a.txt", "d.png.txt")
    assert found(tmp_path) == ["a/c.PNG", "b.png"]


def test_links_are_followed_once_by_all_commands(tmp_path):
    made(tmp_path / "in", "a.png", "a.qrc")
    made(tmp_path / "out", "b.png", "b.qrc")
    (tmp_path / "in" / "there").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "round").symlink_to(tmp_path / "in")
    assert found(tmp_path / "in") == ["a.png", "there/b.png"]
    for lister in (list_images, list_coded):
        assert len(lister(tmp_path / "in")) == 2


def test_a_link_to_nothing_is_listed_so_that_reading_it_tells(tmp_path):
    made(tmp_path, "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "gone")
    assert found(tmp_path) == ["a.png", "b.png"]


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """A folder that may not be entered, also not by root, whom permissions do not stop."""
    folder = made(tmp_path / "tree", "a.png", "closed/b.png", "z.png")
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return folder


def test_a_folder_that_may_not_be_entered_is_listed_itself(closed):
    assert found(closed) == ["a.png", "closed", "z.png"]
    with pytest.raises(DataError, match="closed: cannot be read"):
        files_below(closed / "closed", (".png",), "images")


def test_what_macos_adds_is_left_out_with_a_note(tmp_path, caplog):
    made(tmp_path, "x.png", "._x.png", "__MACOSX/x.png", "a/._y.png")
    assert found(tmp_path) == ["x.png"]
    assert caplog.text.count("left out") == 3


def test_what_is_no_file_is_left_out_with_a_note(tmp_path, caplog):
    made(tmp_path, "x.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    assert found(tmp_path) == ["x.png"]
    assert caplog.text.count("it is no file") == 2


def test_files_of_other_suffixes_are_counted_unless_they_are_hidden(tmp_path, caplog):
    made(
        tmp_path, "x.png", "b.GIF", "in/c.gif", "README", ".hidden.gif", ".git/config", "in/.x/y.a"
    )
    assert found(tmp_path) == ["x.png"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: 3 files left out: .gif, no suffix"
    ]
    caplog.clear()
    assert found(tmp_path / "in", (".gif",)) == ["c.gif"] and not caplog.records
    made(tmp_path / "many", "x.png", *(f"a.{letter}" for letter in "abcdefghijk"))
    found(tmp_path / "many")
    assert caplog.text.rstrip().endswith("11 files left out: .a, .b, .c, .d, .e, .f, .g, .h, ...")


def test_a_file_that_is_read_is_never_overwritten_and_others_by_force(tmp_path):
    made(tmp_path, "a.png", "b.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    for out in ("a.png", "link.png"):
        with pytest.raises(DataError, match=f"{out} is the file that is read"):
            refuse_overwriting(tmp_path / out, True, tmp_path / "b.png", tmp_path / "a.png")
    with pytest.raises(DataError, match=r"b\.png exists; --force"):
        refuse_overwriting(tmp_path / "b.png", False, tmp_path / "a.png")
    refuse_overwriting(tmp_path / "b.png", True, tmp_path / "a.png")
    refuse_overwriting(tmp_path / "new.png", False, tmp_path / "gone.png")


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_is_never_taken_for_a_file_to_write(tmp_path, force):
    with pytest.raises(DataError, match="is a folder: name a file"):
        refuse_overwriting(tmp_path, force)


def test_a_folder_without_files_says_what_was_looked_for(tmp_path):
    made(tmp_path, "a.txt")
    with pytest.raises(DataError, match=r"no images in this folder .*jpg.*png"):
        list_images(tmp_path)
    with pytest.raises(DataError, match=r"no \.qrc files in this folder"):
        list_coded(tmp_path)
    with pytest.raises(DataError, match="gone: no such folder"):
        list_images(tmp_path / "gone")


def test_names_that_no_file_can_have_are_just_not_there(tmp_path):
    for name in ("x" * 300, "nul\0byte"):
        assert not exists(tmp_path / name) and not is_folder(tmp_path / name)
