"""The documentation names what the code has: all of it, and nothing else."""

import ast
import importlib
import re
import runpy

import pytest
import yaml

from qr.analyse import metrics
from qr.config import load
from qr.decoders import variants
from qr.measure.collect import collect
from qr.present import labels
from qr.present.names import FIGURES, TABLES
from qr.present.write import write_figures, write_tables
from qr.train.losses import _DISTANCES
from support.documents import DOCS, rows, words
from support.metrics import write_metrics
from support.paths import ROOT


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """The metrics of a run that never was."""
    return write_metrics(tmp_path_factory.mktemp("version") / "metrics", models=["mbt2018"])


@pytest.fixture
def read(monkeypatch):
    """Names of the metrics files that are read from now on."""
    files = []

    def recording(paths, *arguments):
        files.extend(path.name for path in paths)
        return collect(paths, *arguments)

    monkeypatch.setattr(metrics, "collect", recording)
    # Leaving the bounds out reads every file that may hold one.
    monkeypatch.setattr(metrics.Metrics, "of_decoders", lambda self: self)
    return files


@pytest.mark.parametrize(
    ("heading", "names", "suffix", "write"),
    [
        ("Figures", FIGURES, "png", write_figures),
        ("Tables", TABLES, "csv", write_tables),
    ],
)
def test_every_figure_and_table_has_its_files_and_its_command(
    read, version, tmp_path, heading, names, suffix, write
):
    found = rows("reproduce.md", heading)
    named = [words(row[1])[0] for row in found]
    assert sorted(named) == list(names)
    for (_, _, files, command), name in zip(found, named, strict=True):
        read.clear()
        write(version, tmp_path, only=name)
        assert set(words(files)) == set(read), name
        target = f"results/paper-v1/{heading.lower()}/{name}.{suffix}"
        assert words(command) == [f"snakemake --cores all {target}"]


def test_the_paper_is_the_version_that_the_commands_name():
    assert "\nversion: paper-v1 " in (ROOT / "config.yaml").read_text()


def test_every_variant_is_explained():
    named = [words(row[0])[0] for row in rows("method.md", "Decoder variants")]
    # Read anew: other tests register variants of their own.
    ours = runpy.run_path(variants.__file__)["_VARIANTS"]
    assert sorted(named) == sorted(ours)


def test_variants_of_side_questions_are_ours():
    """All others, also a user's, are shown in the report at first."""
    ours = runpy.run_path(variants.__file__)["_VARIANTS"]
    shown = ["baseline", "decoder", "original", "qr", "qr-picture", "qr-tapped", "synthesis-wide"]
    assert sorted(ours.keys() - labels.ASIDE) == shown and ours.keys() > labels.ASIDE


def test_every_feature_distance_has_its_formula():
    named = {words(row[0])[0] for row in rows("method.md", "Losses")}
    assert named == {*_DISTANCES, "cosine"}


def members(node: ast.ClassDef) -> set[str]:
    """Names of the methods and fields that a class's own text has."""
    fields = {part.target.id for part in node.body if isinstance(part, ast.AnnAssign)}
    fields |= {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)
    }
    return fields | {part.name for part in node.body if isinstance(part, ast.FunctionDef)}


def test_code_that_the_method_names_exists():
    """Modules and what is in them; classes, by their names alone, and their members."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "qr").rglob("*.py")]
    nodes = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    classes = {node.name: members(node) for node in nodes}
    for word in words((DOCS / "method.md").read_text()):
        if word.startswith("qr."):
            try:
                importlib.import_module(word)
            except ModuleNotFoundError:
                module, _, name = word.rpartition(".")
                assert hasattr(importlib.import_module(module), name), word
        elif re.fullmatch(r"[A-Z]\w+(\.\w+)?", word):
            name, _, member = word.partition(".")
            assert name in classes, word
            assert not member or member in classes[name], word


def test_every_key_of_the_configuration_is_explained():
    text = (ROOT / "config" / "README.md").read_text()
    named = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert named == list(yaml.safe_load((ROOT / "config.yaml").read_text()))


def test_every_overlay_is_named():
    text = (ROOT / "config" / "README.md").read_text()
    tiers = [path.name for path in (ROOT / "workflow" / "tiers").glob("*.yaml")]
    assert tiers and all(f"`{name}`" in text for name in tiers)


def test_what_is_redrawn_without_training_is_there():
    text = (DOCS / "reproduce.md").read_text().split("\n## Without training\n")[1].split("\n## ")[0]
    shown = re.findall(r"^    qr (.*)$", text, re.MULTILINE)
    for command in shown:
        assert all((ROOT / name).exists() for name in re.findall(r"-(?:c|-metrics) (\S+)", command))
    assert len(shown) == 2


def test_the_workflow_catalog_finds_what_it_shows():
    shown = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert shown["software-stack-deployment"] == {"conda": "conda:" in rules}
    assert shown["report"] == ("report(" in rules)
    assert (ROOT / "workflow" / "Snakefile").is_file()


def test_the_citation_is_of_this_version_and_complete():
    """The fields that the Citation File Format 1.2.0 requires, and those that we promise."""
    import qr

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software" and citation["license"] == "MIT"
    assert citation["version"] == qr.__version__
    assert citation["message"] and citation["title"]
    assert all(author.keys() & {"name", "family-names"} for author in citation["authors"])
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= reference.keys()
        assert reference["url"].startswith("https://")


def test_the_changelog_begins_with_this_version():
    import qr

    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"^## (\S+?),? ", text, re.MULTILINE)[1] == qr.__version__


def test_ci_runs_what_a_developer_runs():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    steps = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]
    assert steps == ["bash .ci/run"]
    targets = re.findall(r"^make (.*)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert targets == ["test slurm-test"]
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^test: setup lint docs unit$", makefile, re.MULTILINE)


def test_the_configuration_says_what_the_paper_says():
    """By one table, of which the data sets of exploration and predictive phase are two rows."""
    config = load.load(ROOT / "config.yaml")
    said = rows("method.md", "What the paper says, and `config.yaml`")
    assert len(said) > 10
    for _, key, value in said:
        found = config
        for name in key.strip("`").split("."):
            found = found[name]
        assert found == yaml.safe_load(value.strip("`")), key
    roles = [key for _, key, _ in said if "data.roles" in key]
    assert {"`data.roles.exploration.source`", "`data.roles.predictive.source`"} < set(roles)
