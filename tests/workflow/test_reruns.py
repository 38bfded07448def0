"""Which jobs run again when code changes: Snakemake's own answer, in dry runs."""

import csv
import re
from pathlib import Path

import pytest

from support.paths import ROOT

TIERS = ROOT / "workflow" / "tiers"
OVERLAYS = ("--configfile", str(TIERS / "smoke.yaml"), str(Path(__file__).with_name("tiny.yaml")))
TARGETS = ("figures", "tables")

FIGURES, TABLES = {"draw", "figures"}, {"tabulate", "tables"}
RESULTS = FIGURES | TABLES | {"collect", "summary"}
TRAINING = {"baseline", "explore", "soft", "predictive"}
MEASURING = {"encode", "decode", "runtime"}
MORE = "\nfrom ", "\nimport this\nfrom "


@pytest.fixture(scope="module")
def finished(shared_workspace):
    """A run in which every job has ended; its files hold nothing."""
    table = shared_workspace.snakemake(*TARGETS, "--summary", *OVERLAYS).stdout
    rows = csv.DictReader(table[table.index("output_file\t") :].splitlines(), delimiter="\t")
    for path in (shared_workspace.folder / row["output_file"] for row in rows):
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True)
    shared_workspace.snakemake(*TARGETS, "--touch", "--forceall", "--cores", "1", *OVERLAYS)
    return shared_workspace


def rerun(workspace, *overlays):
    """Rules that would run."""
    output = workspace.snakemake(*TARGETS, "-n", *OVERLAYS, *overlays).stdout
    return set(re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE))


@pytest.mark.parametrize(
    ("module", "old", "new", "rules"),
    [
        ("results/figures/courses", *MORE, FIGURES),
        ("results/tables/gains", *MORE, TABLES),
        ("results/statistics", *MORE, FIGURES | TABLES),
        ("results/collect", *MORE, RESULTS),
        ("metrics", "255**2", "254**2", {"decode", "anchors"} | RESULTS),
        (
            "runtime_cases",
            "warmup_rounds=2",
            "warmup_rounds=3",
            {"runtime"} | RESULTS - {"summary"},
        ),
        ("bitstream", *MORE, {"encode", "decode"} | RESULTS),
        ("search", "0.382", "0.4", TRAINING - {"baseline"} | MEASURING | RESULTS),
        ("training", "clip_gradients", "clip_gradient", TRAINING | MEASURING | RESULTS),
        ("training", "\nfrom ", "\n# a remark\nfrom ", set()),
        ("cli", *MORE, set()),
    ],
)
def test_what_runs_again_after_an_edit(finished, module, old, new, rules):
    path = finished.folder / "qr" / f"{module}.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    try:
        assert rerun(finished) == rules
    finally:
        path.write_text(text)


def test_what_runs_again_after_a_change_of_statistics(finished, tmp_path):
    overlay = tmp_path / "more.yaml"
    overlay.write_text("statistics: {bootstrap: 200}\n")
    assert rerun(finished, str(overlay)) == FIGURES | TABLES
