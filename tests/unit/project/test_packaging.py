"""What an installation relies upon."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
import yaml

from support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins():
    return sorted(PROJECT["dependencies"])


def test_conda_has_the_same_pins():
    packages = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = [part["pip"] for part in packages if isinstance(part, dict)]
    # And one that is no dependency of the package, which has another licence.
    (optional,) = [p for p in PROJECT["optional-dependencies"]["dev"] if "jxl" in p]
    assert sorted(pip) == sorted([*pins(), optional])
    assert f"python{PROJECT['requires-python']}" in packages


def test_every_python_that_is_allowed_is_looked_for_and_tested():
    first, end = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    versions = [f"3.{minor}" for minor in range(int(first), int(end))]
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == versions
    sought = re.search(r"for p in (.*?);", (ROOT / "Makefile").read_text())[1]
    assert sought.split() == [f"python{version}" for version in versions]
    others = re.search(r"for other in (.*?);", (ROOT / ".ci" / "run").read_text())[1]
    assert {part.rpartition("/")[2] for part in others.split()} == {f"python{versions[-1]}"}
    readme = (ROOT / "README.md").read_text()
    assert f"Python {' or '.join(versions)} " in readme


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


@pytest.mark.parametrize("module", ["qr", "qr.cli.main", "qr.coding.bitstream"])
def test_what_people_start_with_is_light(module):
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
    for folder in ("schemas", "resources", "present/report/templates"):
        for path in (ROOT / "qr" / folder).iterdir():
            relative = path.relative_to(ROOT / "qr").as_posix()
            assert any(Path(relative).match(pattern) for pattern in patterns), relative
    assert "py.typed" in patterns and (ROOT / "qr" / "py.typed").is_file()


WHEEL = """
import importlib, pkgutil, sys
from pathlib import Path

import qr

assert Path(qr.__file__).is_relative_to(sys.prefix), qr.__file__
from qr.config import check
from qr.analyse.anchors import published

assert check.SCHEMA.is_file()
assert not published(["mbt2018"], "mse").empty
package = Path(qr.__file__).parent
from qr.coding import find
assert find.choose(None, None, None).name.startswith(str(package)) # the codec in the box
assert len((package / "resources" / "kodak.csv").read_text().splitlines()) == 25
assert (package / "py.typed").is_file()
assert any((package / "present" / "report" / "templates").iterdir())
for module in pkgutil.walk_packages(qr.__path__, "qr."):
    if module.name not in ("qr.__main__", "qr.measure.timing_cases"):
        importlib.import_module(module.name)
print("complete")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A virtual environment with the wheel of qr in it; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "qr", source / "qr", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    # With the setuptools that is here: its own would be downloaded.
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    install = [*pip, "--python", python, "install", "--no-deps", wheel]
    subprocess.run(install, check=True, capture_output=True)
    (site,) = environment.glob("lib/python3.*/site-packages")
    # Behind the environment's own packages, and without the editable qr, which is a .pth file here.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment


def run_installed(installed, name, *arguments):
    """Runs a program of the environment, outside the repository; returns what it prints."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [installed / "bin" / name, *arguments]
    return subprocess.run(
        command, cwd=installed, env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_a_built_wheel_holds_all_modules_and_files(installed):
    assert run_installed(installed, "python", "-c", WHEEL).strip() == "complete"


def test_a_built_wheel_brings_the_command(installed):
    assert "qr compress photo.png" in run_installed(installed, "qr", "--help")
    assert "MODEL_METRIC_qQUALITY" in run_installed(installed, "qr", "train", "soft", "--help")
    for name in ("qr", "qr-benchmark"):
        assert run_installed(installed, name, "--version").startswith("qr-benchmark ")
