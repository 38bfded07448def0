"""The documentation names what the code has: all of it, and nothing else."""

import re
import runpy
from pathlib import Path

import pytest
import yaml

from qr.decoders import variants
from qr.measure.schema import SCHEMAS
from qr.present.names import FIGURES, TABLES
from qr.train.losses import _DISTANCES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
RULES = set(
    re.findall(
        r"^rule (\w+):",
        "\n".join(path.read_text() for path in (ROOT / "workflow").rglob("*.smk")),
        re.MULTILINE,
    )
)


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table behind a heading, without its two head lines."""
    text = (DOCS / page).read_text().split(f"\n## {heading}\n")[1]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def words(cell: str) -> list[str]:
    """What a cell has in backticks."""
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize(
    "heading, names, suffix", [("Figures", FIGURES, "png"), ("Tables", TABLES, "csv")]
)
def test_every_figure_and_table_has_its_command(heading, names, suffix):
    found = rows("reproduce.md", heading)
    named = [words(row[1])[0] for row in found]
    assert sorted(named) == list(names)
    for (_, _, metrics, command), name in zip(found, named, strict=True):
        assert {file.removesuffix(".csv") for file in words(metrics)} <= set(SCHEMAS)
        target = f"results/paper-v1/{heading.lower()}/{name}.{suffix}"
        assert words(command) == [f"snakemake --cores all {target}"]
    assert {"draw", "tabulate"} <= RULES


def test_every_metrics_file_has_its_rules():
    found = {
        words(name)[0]: words(rules)
        for name, rules in rows("reproduce.md", "Where the metrics come from")
    }
    assert list(found) == [f"{name}.csv" for name in SCHEMAS]
    assert set().union(*found.values()) < RULES


def test_the_paper_is_the_version_that_the_commands_name():
    assert "\nversion: paper-v1 " in (ROOT / "config.yaml").read_text()


def test_every_variant_is_explained():
    named = [words(row[0])[0] for row in rows("method.md", "Decoder variants")]
    # Read anew: other tests register variants of their own.
    ours = runpy.run_path(variants.__file__)["_VARIANTS"]
    assert sorted(named) == sorted(ours)


def test_every_feature_distance_has_its_formula():
    named = {words(row[0])[0] for row in rows("method.md", "Losses")}
    assert named == {*_DISTANCES, "cosine"}


def test_code_that_the_method_names_exists():
    """Modules and their members; a class by its name alone is found in the package's text."""
    code = "\n".join(path.read_text() for path in (ROOT / "qr").rglob("*.py"))
    for word in words((DOCS / "method.md").read_text()):
        if word.startswith("qr."):
            parts = word.split(".")[1:]
            path = ROOT.joinpath("qr", *parts)
            module = path.is_dir() or path.with_suffix(".py").is_file()
            assert module or re.search(rf"^{parts[-1]}\b", code, re.MULTILINE), word
        elif re.fullmatch(r"[A-Z]\w+", word):
            assert re.search(rf"^class {word}\b", code, re.MULTILINE) or word in ("W",), word


def test_every_key_of_the_configuration_is_explained():
    text = (ROOT / "config" / "README.md").read_text()
    named = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert named == list(yaml.safe_load((ROOT / "config.yaml").read_text()))


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
    assert re.search(r"^test: setup lint docs$", makefile, re.MULTILINE)
