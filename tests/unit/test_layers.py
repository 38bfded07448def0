"""Data goes down the list of packages, imports go up it, and never back."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "qr"
GROUND = ("errors", "files", "progress", "device", "provenance")
ABOVE = ("data", "codecs", "decoders", "config", "plan", "train", "coding", "measure")
ABOVE += ("analyse", "archive", "present", "cli")
RANK = dict.fromkeys(GROUND, 0) | {name: place for place, name in enumerate(ABOVE, start=1)}


def imported(source: str) -> set[str]:
    """The packages of qr, and modules beside them, that a module's text imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("qr.")}
    return found


@pytest.mark.parametrize("room", [*GROUND, *ABOVE])
def test_no_import_runs_back(room):
    files = [PACKAGE / f"{room}.py"] if room in GROUND else sorted((PACKAGE / room).rglob("*.py"))
    for path in files:
        back = {name for name in imported(path.read_text()) if RANK.get(name, 0) > RANK[room]}
        assert not back, f"{path} imports {', '.join(back)}"


def test_every_room_has_its_place():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(ABOVE)
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert modules == {*GROUND, "__init__", "__main__"}


def test_imports_are_seen_in_every_form():
    source = (
        "import qr.data.images\ndef f():\n    from qr.cli import main\n    from qr import plan\n"
    )
    assert imported(source) == {"data", "cli", "plan"}
