"""What a result depends on: logic counts, layout does not."""

import ast
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from qr import files, provenance
from qr.config.steps import STEPS, code_digest
from qr.decoders import variants
from qr.decoders.variants import Variant

PACKAGE = Path(provenance.__file__).parent


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package's files that may be edited."""
    copied = tmp_path / "qr"
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.glob("report/templates/*")]:
        target = copied / path.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    monkeypatch.setattr(provenance, "_PACKAGE", copied)
    return copied


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def digests(*variant_names):
    return {step: code_digest(step, variant_names) for step in STEPS}


def changed(before, after):
    return {step for step in before if before[step] != after[step]}


def test_every_named_file_exists():
    for step, modules in STEPS.items():
        for module in modules:
            assert source(module).is_file(), (step, module)


def source(module):
    """Its file; a template is named with its suffix."""
    return PACKAGE / (module if "." in module else f"{module}.py")


def test_a_step_names_every_module_of_results_that_it_imports():
    for step in RESULTS:
        for module in STEPS[step]:
            assert set(imported_results(module)) <= set(STEPS[step]), (step, module)


def imported_results(module):
    if module.endswith((".j2", ".css", ".js")):
        return
    for node in ast.parse(source(module).read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module.startswith("qr.results"):
            package = node.module.removeprefix("qr.").replace(".", "/")
            for name in node.names:
                yield existing(f"{package}/{name.name}") or existing(package)


def existing(module):
    """The name of a module or package as in STEPS; None if there is none."""
    return next((m for m in (module, f"{module}/__init__") if source(m).is_file()), None)


def test_comments_docstrings_and_layout_do_not_count(package):
    before = digests()
    for path in package.rglob("*.py"):
        path.write_text("# a comment\n\n" + path.read_text())
    edit(package / "losses.py", '"""Rate, distortion', '"""Other words about rate, distortion')
    edit(package / "losses.py", '    """Bits per pixel', '    """Other words: bits per pixel')
    assert not changed(before, digests())


TRAINING = {"baseline", "explore", "soft", "predictive"}
RESULTS = {"collect", "export", "figures", "tables", "report"}


@pytest.mark.parametrize(
    ("module", "old", "new", "steps"),
    [
        ("losses", "255**2", "254**2", TRAINING | {"encode"}),
        ("training", "clip_gradients", "clip_gradient", TRAINING),
        ("search", "0.382", "0.4", {"explore"}),
        ("metrics", "255**2", "254**2", {"decode", "anchors", "figures", "report"}),
        ("runtime_cases", "warmup_rounds=2", "warmup_rounds=3", {"runtime"}),
        ("macs", "/ 2 / pixels", "/ pixels", {"runtime"}),
        ("results/layout", "import", "import os\nimport", {"tables", "report"}),
        ("report/headline", "import", "import os\nimport", {"report"}),
        ("results/collect", "import", "import os\nimport", RESULTS),
        ("codecs", "2.0**20", "2.0**21", TRAINING | {"encode", "decode", "runtime", "pictures"}),
        ("zoo", "hash_prefix=expected", "hash_prefix=None", {"baseline"}),
        ("results/figures/courses", "import", "import os\nimport", {"figures"}),
        ("cli", "import", "import math\nimport", set()),
    ],
)
def test_logic_counts_where_it_runs_and_nowhere_else(package, module, old, new, steps):
    before = digests()
    edit(package / f"{module}.py", old, new)
    assert changed(before, digests()) == steps


def test_a_template_counts_for_the_report(package):
    before = digests()
    edit(package / "report/templates/report.css", "max-width: 72rem", "max-width: 60rem")
    assert changed(before, digests()) == {"report"}


def test_a_rectifier_counts_for_the_variants_that_use_it(package):
    names = ("decoder", "qr", "qr-hyper", "centroid")
    before = {name: code_digest("predictive", (name,)) for name in names}
    edit(package / "rectifiers" / "qr_hyper.py", "dim=1", "dim=-3")
    after = {name: code_digest("predictive", (name,)) for name in names}
    assert changed(before, after) == {"qr-hyper"}


def test_a_variants_definition_counts_and_its_label_does_not(monkeypatch):
    def digest(**options):
        variant = Variant("qr", rectifier="qr", **options)
        monkeypatch.setitem(variants._VARIANTS, "qr", variant)
        return code_digest("predictive", ("qr",))

    first = digest(trains=variants.BOTH)
    assert digest(trains=variants.BOTH, label="other") == first
    assert digest(trains=frozenset({"rectifier"})) != first
    assert digest(trains=variants.BOTH, detached=True) != first
    assert digest(trains=variants.BOTH, options={"x": 1}) != first


def test_a_plugin_counts(tmp_path):
    plugin = tmp_path / "own.py"
    plugin.write_text("x = 1\n")
    first = code_digest("data", (), (str(plugin),))
    assert first != code_digest("data")
    plugin.write_text("x = 2\n")
    assert code_digest("data", (), (str(plugin),)) != first


def test_a_digest_is_the_same_in_every_process():
    """Sets have no fixed order: it must not leak."""
    code = (
        "from qr.provenance import code_digest; "
        "print(code_digest('predictive', ('qr', 'qr-hyper', 'decoder')))"
    )
    found = set()
    for seed in "0123":
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=PACKAGE.parent,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert found == {code_digest("predictive", ("qr", "qr-hyper", "decoder")) + "\n"}


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
    assert provenance.git_commit() == ("unknown", False)

    (package / "code.py").write_text("x = 1")
    (package.parent / "results").mkdir()
    (package.parent / "results" / "table").write_text("1")
    git(package.parent, "init", "-q")
    git(package.parent, "add", "-A")
    git(package.parent, "commit", "-qm", "start")
    head = git(package.parent, "rev-parse", "HEAD").strip()
    assert provenance.git_commit() == (head, False)
    (package.parent / "results" / "table").write_text("2")
    (package / "new.py").write_text("x = 1")
    assert provenance.git_commit() == (head, False)
    (package / "code.py").write_text("x = 2")
    assert provenance.git_commit() == (head, True)


def test_machine_and_packages_are_plain_data():
    told = {**provenance.machine(), **provenance.packages()}
    assert json.loads(json.dumps(told)) == told
    assert provenance.machine()["memory_gib"] > 0
    import torch

    assert provenance.packages()["torch"] == torch.__version__.split("+")[0]
