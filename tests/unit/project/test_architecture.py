"""The house as docs/architecture.md draws it: who may import whom, and how large a room may be."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from qr.config import steps

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


def test_a_report_needs_no_torch():
    code = "import sys, qr.present.report.page; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_what_is_sorted_is_in_the_same_order_on_every_processor():
    """NumPy sorts ties as it likes, by the processor's instructions, unless it is told not to."""
    calls = [
        (name, node)
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    sorts = [(n, c) for n, c in calls if c.func.attr in ("sort_values", "argsort")]
    assert len(sorts) > 5
    for name, call in sorts:
        keys = call.args[0] if call.func.attr == "sort_values" else None
        told = any(k.arg == "kind" and ast.unparse(k.value) == "'stable'" for k in call.keywords)
        several = isinstance(keys, ast.List) and len(keys.elts) > 1  # pandas sorts these stably
        assert told or several, f"{name}, line {call.lineno}"


def test_the_house_is_the_one_that_is_drawn():
    drawn = (ROOT / "docs" / "architecture.md").read_text()
    for name in (*ORDER[1:], *GROUND):
        assert re.search(rf"^ *{name}\b", drawn, re.MULTILINE), name


# The walks


def walks():
    """Each list of a walk: its lines as (depth, module, name)."""
    text = (ROOT / "docs" / "architecture.md").read_text().split("\n## A stranger's walk\n")[1]
    blocks = re.findall(r"^```\n(.*?)^```", text.split("\n## ")[0], re.MULTILINE | re.DOTALL)
    pattern = re.compile(r"^( *)(qr[\w.]+):([\w.]+)", re.MULTILINE)
    return [[(len(dent) // 2, *found) for dent, *found in pattern.findall(b)] for b in blocks]


WALKS = walks()
STEP_FUNCTIONS = {name for step in steps.STEPS.values() for name in step.makes}


def test_there_are_three_walks_of_no_more_than_eight_functions():
    assert [2 < len(walk) <= 8 for walk in WALKS] == [True] * 3


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk[0][2])
def test_what_a_walk_names_exists(walk):
    for _, module, name in walk:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        assert callable(found), name


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk[0][2])
def test_in_a_walk_each_is_called_by_the_one_that_it_is_under(walk):
    above = []
    for depth, module, name in walk:
        above[depth:] = [(module, name)]
        assert len(above) == depth + 1, f"{name} is indented too far"
        if depth:
            assert calls(above[depth - 1], (module, name)), f"{above[depth - 1]} calls no {name}"
        else:
            # Commands, and what is found by its name in a folder.
            found = module.startswith(("qr.cli.", "qr.present.tables."))
            assert found or f"{module}:{name}" in STEP_FUNCTIONS, f"{name} begins no step"


def calls(caller, called):
    """Whether a function reaches another by name, or calls a method that has its name."""
    (module, name), (other, wanted) = caller, called
    outer, _, method = wanted.partition(".")
    if "." not in name or other != module:
        found = steps.sources(PACKAGE).reached([f"{module}:{name.partition('.')[0]}"], ())
        if f"{other}:{outer}" in map(str, found):
            return True
    return bool(method) and method in called_attributes(module, name)


def called_attributes(module, name):
    """The methods that a function's own text calls, whatever they are of."""
    value = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(value))))
    attributes = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
    return {f.attr for f in attributes if isinstance(f, ast.Attribute)}
