"""Which jobs run again when code changes: Snakemake's own answer, in dry runs."""

import csv
import fcntl
import re
import shutil
from pathlib import Path

import pytest
import yaml

from qr.data.sources import _builtin_photographs
from support.paths import ROOT

TIERS = ROOT / "workflow" / "tiers"
OVERLAYS = ("--configfile", str(TIERS / "smoke.yaml"), str(Path(__file__).with_name("tiny.yaml")))
TARGETS = ("figures", "tables")

FIGURES, TABLES = {"draw", "figures"}, {"tabulate", "tables"}
RESULTS = FIGURES | TABLES | {"collect", "summary"}
TRAINING = {"baseline", "explore", "soft", "predictive"}
MEASURING = {"encode", "decode", "runtime"}


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
        ("present/style", "_DPI = ", "_DPI = 1 + ", FIGURES),
        ("present/layout", "NOTHING = ", "NOTHING = 2 * ", TABLES),
        ("analyse/inference", "LEVEL = 0.95", "LEVEL = 0.9", FIGURES | TABLES),
        ("measure/collect", "np.lexsort(ranks)", "np.lexsort(ranks[:])", RESULTS),
        ("measure/quality", "255**2", "254**2", {"decode", "anchors"} | RESULTS),
        (
            "measure/timing_cases",
            "warmup_rounds=2",
            "warmup_rounds=3",
            {"runtime"} | RESULTS - {"summary"},
        ),
        ("coding/bitstream", "2**16", "2**15", {"encode", "decode"} | RESULTS),
        ("config/search", "0.382", "0.4", TRAINING - {"baseline"} | MEASURING | RESULTS),
        ("train/loop", "clip_gradients", "clip_gradient", TRAINING | MEASURING | RESULTS),
        (
            "decoders/variants",
            "self.guided and",
            "self.guided or",
            TRAINING - {"baseline"} | MEASURING | RESULTS,
        ),
        ("train/loop", "\nfrom ", "\n# a remark\nimport this\nfrom ", set()),
        ("cli/train", "stop_at=stop_at", "stop_at=0", set()),
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
    assert rerun(finished, str(overlay)) == TABLES


def test_images_that_come_and_go_are_told_of_and_run_nothing_again(workspace, tmp_path):
    """A run keeps those that it has: a folder may be away for an hour. Others are asked for."""
    images, overlay = tmp_path / "images", tmp_path / "data.yaml"
    images.mkdir()
    chelsea, rocket = (p for p in _builtin_photographs() if p.stem in ("chelsea", "rocket"))
    shutil.copy(chelsea, images)

    def data(*arguments, **more):
        wanted = {"mine": {"folder": str(images)}, **more}
        settings = {"sources": wanted, "roles": {"test": {"source": "mine"}}}
        overlay.write_text(yaml.safe_dump({"data": settings}))
        return workspace.snakemake("data", *arguments, *OVERLAYS, str(overlay)).stdout

    assert "has other files" not in data("--cores", "2")
    quiet = data("-n", unused={"folder": "nowhere"})
    assert "Nothing to be done" in quiet and "has other files" not in quiet
    shutil.copy(rocket, images)
    told = data("-n")
    assert "Nothing to be done" in told and "mine has other files" in told
    images.rename(tmp_path / "away")
    away = data("-n")
    assert "Nothing to be done" in away and "has other files" not in away
    (tmp_path / "away").rename(images)
    data("--cores", "2", "--forcerun", "data")
    assert "has other files" not in data("-n")


def test_a_run_beside_one_that_submits_jobs_is_refused(workspace):
    """Both would write the same files; the profile of SLURM takes Snakemake's own lock away."""
    lock = workspace.folder / "runs" / ".controller"
    lock.parent.mkdir(exist_ok=True)
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused = workspace.snakemake("data", "--cores", "1", *OVERLAYS, check=False)
    assert refused.returncode != 0
    assert "another Snakemake is at work" in refused.stdout
    assert not (workspace.folder / "runs/tiny/data/test.csv").exists()
