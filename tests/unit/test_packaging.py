"""What an installation relies upon."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins():
    return sorted(PROJECT["dependencies"])


def test_conda_has_the_same_pins():
    packages = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = [part["pip"] for part in packages if isinstance(part, dict)]
    assert sorted(pip) == pins()
    python = next(p for p in packages if isinstance(p, str) and p.startswith("python="))
    low, high = re.fullmatch(r">=(3\.\d+),<(3\.\d+)", PROJECT["requires-python"]).groups()
    assert python == f"python={low}"
    assert int(high.split(".")[1]) == int(low.split(".")[1]) + 1


def test_everything_is_pinned_exactly():
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins())


def test_what_is_imported_is_required():
    """Third-party packages that the code imports are among the pins."""
    import ast

    imported = set()
    for path in (ROOT / "qr").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    third = imported - set(sys.stdlib_module_names) - {"qr"}
    names = {"PIL": "pillow", "yaml": "pyyaml", "lightning_fabric": "lightning",
             "skimage": "scikit-image"}  # fmt: skip
    required = {pin.split("==")[0] for pin in pins()}
    assert {names.get(name, name).replace("_", "-") for name in third} <= required


def test_the_version_is_the_packages():
    import qr

    assert re.fullmatch(r"\d+\.\d+\.\d+", qr.__version__)
    assert PROJECT["dynamic"] == ["version"]


HEAVY = ("torch", "torchvision", "compressai", "pandas", "matplotlib", "lightning", "numpy")


@pytest.mark.parametrize(
    "module",
    ["qr", "qr.grid", "qr.cost", "qr.plan", "qr.config", "qr.variants", "qr.models", "qr.errors",
     "qr.provenance", "qr.bitstream", "qr.results", "qr.results.seal", "qr.runs", "qr.cli"],
)  # fmt: skip
def test_what_the_workflow_reads_is_light(module):
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_librarys_names_all_exist():
    import qr

    for name in qr.__all__:
        assert getattr(qr, name) is not None
    assert set(qr.__all__) <= set(dir(qr))
    with pytest.raises(AttributeError, match="no_such"):
        _ = qr.no_such


def test_files_that_the_code_reads_are_packaged():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = data["package-data"]["qr"]
    for folder in ("schemas", "resources", "report/templates"):
        for path in (ROOT / "qr" / folder).iterdir():
            relative = path.relative_to(ROOT / "qr").as_posix()
            assert any(Path(relative).match(pattern) for pattern in patterns), relative
    assert "py.typed" in patterns and (ROOT / "qr" / "py.typed").is_file()
