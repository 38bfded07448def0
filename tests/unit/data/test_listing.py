"""What is added to or removed from the user's own images is noticed."""

import shutil

import pytest

from qr.config import steps
from qr.config.grid import Grid
from qr.config.load import load
from qr.config.settings import overlay
from qr.data import listing as module
from qr.data.listing import listing, news, record
from qr.data.walk import walk
from support.paths import ROOT

ROLES = {
    "baseline": {"source": "folder"},
    "exploration": {"reuse": "baseline"},
    "predictive": {"source": "list", "share": 0.5},
    "validation": {"source": "list", "share": 0.5},
    "test": [{"source": "shipped"}, {"source": "builtin"}],
}
SOURCES = {
    "folder": {"folder": "images"},
    "list": {"urls": "mine.csv"},
    "shipped": {"urls": "kodak"},
    "builtin": {"builtin": "scikit-image"},
    "unused": {"folder": "images"},
}
DATA = {"sources": SOURCES, "roles": ROLES}


@pytest.fixture
def base(tmp_path):
    for name in ("a.png", "deeper/b.jpg", "notes.txt"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).touch()
    (tmp_path / "mine.csv").write_text("url,sha256\n")
    return tmp_path


def test_what_a_role_takes_from_the_user_is_listed(base):
    assert set(listing(DATA, base)) == {"folder", "list"}


def test_an_image_or_a_row_more_or_less_is_another_listing(base):
    seen = [listing(DATA, base)]
    (base / "images" / "notes-2.txt").touch()
    assert listing(DATA, base) == seen[0]
    (base / "images" / "deeper" / "c.PNG").touch()
    seen.append(listing(DATA, base))
    (base / "images" / "a.png").unlink()
    seen.append(listing(DATA, base))
    (base / "mine.csv").write_text("url,sha256\nhttps://example.org/a.png,00\n")
    seen.append(listing(DATA, base))
    assert len(set(map(str, seen))) == 4


def test_it_does_not_depend_on_where_the_folder_lies(base, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(base, other, dirs_exist_ok=True)
    assert listing(DATA, other) == listing(DATA, base)


def test_the_order_of_a_folder_does_not_count(base, monkeypatch):
    before = listing(DATA, base)
    monkeypatch.setattr(module, "walk", lambda *asked: reversed([*walk(*asked)]))
    assert listing(DATA, base) == before


def test_what_changed_since_the_manifests_were_made_is_told(base):
    manifests = base / "manifests"
    assert news(DATA, base, manifests) == ""
    record(listing(DATA, base), manifests)
    assert news(DATA, base, manifests) == ""
    (base / "images" / "._a.png").touch()  # of macOS, which is left out
    assert news(DATA, base, manifests) == ""
    (base / "images" / "c.png").touch()
    assert "folder has other files" in news(DATA, base, manifests)
    named = overlay(DATA, {"sources": {"folder": {"names": ["a", "b"]}}})
    record(listing(named, base), manifests)
    (base / "images" / "d.png").touch()
    assert news(named, base, manifests) == ""
    # As where a disk is not mounted.
    (base / "mine.csv").unlink()
    (base / "images").rename(base / "away")
    assert news(named, base, manifests) == ""
    (base / "images").mkdir()
    assert news(named, base, manifests) == ""
    (manifests / "sources.json").write_text("[]")
    assert news(named, base, manifests) == ""


@pytest.mark.parametrize("folder", ["~nobody-of-this-name/x", "missing"])
def test_a_place_that_is_not_there_is_no_error(base, folder):
    assert listing(overlay(DATA, {"sources": {"folder": {"folder": folder}}}), base).keys() == {
        "list"
    }


def test_a_source_that_no_role_takes_changes_nothing():
    config = load(ROOT / "config.yaml")
    more = overlay(config, {"data": {"sources": {"unused": {"folder": "anywhere"}}}})
    used = overlay(config, {"data": {"sources": {"vimeo": {"folder": "anywhere"}}}})
    first, same, other = (
        steps.settings_digest("data", Grid(c), None) for c in (config, more, used)
    )
    assert first == same
    assert first != other
