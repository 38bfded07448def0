"""The house as docs/architecture.md draws it: who may import whom, and how large a room may be."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "qr"
# Imports go from right to left, never back. The ground is what stands in no package.
ORDER = (
    "ground", "data", "codecs", "decoders", "config", "plan", "train", "coding", "measure",
    "analyse", "archive", "present", "cli",
)  # fmt: skip
GROUND = ("errors", "files", "progress", "device", "provenance")
LONGEST_MODULE, LONGEST_FUNCTION, MOST_MODULES = 300, 50, 14
HEAVY = ("torch", "torchvision", "compressai", "lightning", "pandas", "matplotlib", "numpy")


def modules():
    """Every module of qr by name, parsed."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(path.read_text())
    return found


MODULES = modules()


def imported(name):
    """The modules of qr that the module `name` imports, wherever in its text."""
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.partition(".")[0] == "qr")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "qr":
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in MODULES else node.module for name in inner)


def room(name):
    """The package that a module is in; the ground for those in none."""
    parts = name.split(".")
    return "ground" if len(parts) == 1 or parts[1] in GROUND else parts[1]


def test_every_package_has_its_place():
    assert {room(name) for name in MODULES if name not in ("qr", "qr.__main__")} == set(ORDER)


def test_imports_go_one_way():
    back = [
        f"{name} imports {other}"
        for name in MODULES
        if name not in ("qr", "qr.__main__")
        for other in imported(name)
        if ORDER.index(room(other)) > ORDER.index(room(name))
    ]
    assert not back, "\n".join(back)


def test_no_two_modules_import_each_other_through_whichever_others():
    done, path = set(), []

    def visit(name):
        assert name not in path, " > ".join([*path[path.index(name) :], name])
        if name not in done:
            path.append(name)
            for other in sorted(set(imported(name)) - {name}):
                visit(other)
            done.add(path.pop())

    for name in MODULES:
        visit(name)


@pytest.mark.parametrize("name", MODULES)
def test_a_room_can_be_seen_whole(name):
    path = PACKAGE.joinpath(*name.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.FunctionDef):
            text = ast.get_docstring(node, clean=False) or ""
            lines = node.end_lineno - node.lineno + 1 - len(text.splitlines())
            assert lines <= LONGEST_FUNCTION, f"{node.name} has {lines} lines"


def test_a_package_has_few_rooms():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    counts = {str(folder): len(list(folder.glob("[!_]*.py"))) for folder in folders}
    assert {name: n for name, n in counts.items() if n > MOST_MODULES} == {}


def test_packages_do_nothing_when_they_are_imported():
    for path in PACKAGE.rglob("*/__init__.py"):
        assert not ast.parse(path.read_text()).body[1:], path


def workflow_imports():
    """What the Snakefile and its rules import of qr."""
    texts = [path.read_text() for path in (ROOT / "workflow").rglob("*.smk")]
    texts.append((ROOT / "workflow" / "Snakefile").read_text())
    lines = re.findall(r"^(?:from qr\S* import .*|import qr\S*)$", "\n".join(texts), re.MULTILINE)
    assert len(lines) > 5
    return lines


def test_the_workflow_imports_nothing_heavy():
    code = "\n".join([*workflow_imports(), f"import sys; print({HEAVY!r} & sys.modules.keys())"])
    code = code.replace(f"{HEAVY!r} &", f"set({HEAVY!r}) &")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_the_house_is_the_one_that_is_drawn():
    drawn = (ROOT / "docs" / "architecture.md").read_text()
    for name in (*ORDER[1:], *GROUND):
        assert re.search(rf"^ *{name}\b", drawn, re.MULTILINE), name
