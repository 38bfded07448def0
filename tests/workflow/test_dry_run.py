"""Every shipped configuration gives a graph with the jobs that its grid asks for."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qr.codecs.catalogue import CodecId
from qr.config import load, settings, steps
from qr.config.grid import Grid, Job
from qr.measure.schema import SCHEMAS
from qr.plan.cost import Cost
from support.documents import rows, words
from support.paths import ROOT

TIERS = sorted((ROOT / "workflow" / "tiers").glob("*.yaml"))


def _counts(output: str) -> dict[str, int]:
    return {m[1]: int(m[2]) for m in re.finditer(r"^(\w+) +(\d+)$", output, re.MULTILINE)}


@pytest.mark.parametrize("tier", [None, *TIERS], ids=lambda t: t.stem if t else "paper")
def test_every_tier_has_a_complete_graph(workspace, tier):
    overlay = ["--configfile", str(tier)] if tier else []
    grid = Grid(load.load(ROOT / "config.yaml", *([tier] if tier else [])))

    counts = _counts(workspace.snakemake("all", "-n", *overlay).stdout)

    assert counts["soft"] == len(grid.studied)
    assert counts["predictive"] == sum(len(grid.trained(codec)) for codec in grid.codecs)
    assert (
        counts["encode"]
        == counts["decode"]
        == sum(len(grid.stages(codec)) for codec in grid.codecs)
    )
    assert counts["runtime"] == len({codec.model for codec in grid.codecs})
    assert counts["manifest"] == 1
    if tier is None:
        told = re.search(
            r"(\d+)\s+in Snakemake's own count", (ROOT / "docs/cluster.md").read_text()
        )
        assert counts["total"] == int(told[1])


def test_commands_of_the_readme_find_work(workspace):
    """With the photographs of config/README.md laid over."""
    (mine,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "config/README.md").read_text(), re.DOTALL)
    (workspace.folder / "mine.yaml").write_text(mine)
    readme = (ROOT / "README.md").read_text()
    shown = re.findall(r"^    snakemake (.*?)(?:\s+#.*)?$", readme, re.MULTILINE)
    for command in shown:
        assert _counts(workspace.snakemake("-n", *command.split()).stdout)["predictive"] > 10
    assert len(shown) == 3


def test_the_documentation_says_which_rules_a_metrics_file_comes_from(workspace):
    """Where nothing was computed yet, Snakemake would run just these for it."""
    smoke = ["--configfile", str(ROOT / "workflow/tiers/smoke.yaml")]
    told, files = {}, []
    for name, rules in rows("reproduce.md", "Where the metrics come from"):
        (file,) = words(name)
        before = told["images.csv"] if rules.startswith("those, ") else []
        told[file] = [*before, *words(rules)]
        files.append(file)
    assert files == [f"{name}.csv" for name in SCHEMAS]
    for file, rules in told.items():
        output = workspace.snakemake(f"results/smoke/metrics/{file}", "-n", *smoke).stdout
        assert _counts(output).keys() - {"total"} == set(rules), file


@pytest.mark.parametrize("tier", TIERS, ids=lambda tier: tier.stem)
def test_commands_that_a_dry_run_prints_find_the_configuration_as_qr_overlays_it(workspace, tier):
    """Snakemake overlays by rules of its own: {} over null stays null there."""
    expected = load.load(workspace.folder / "config.yaml", tier)
    workspace.snakemake("all", "-n", "--configfile", str(tier))
    written = workspace.folder / "runs" / expected["version"] / "config.yaml"
    assert load.load(written) == expected


def test_a_dry_run_leaves_the_configuration_of_a_run_that_goes_on_alone(workspace):
    written = workspace.folder / "runs" / "smoke" / "config.yaml"
    written.parent.mkdir(parents=True)
    written.write_text("what the jobs of that run read")
    smoke = ["--configfile", str(ROOT / "workflow/tiers/smoke.yaml")]
    told = "runs/smoke/config.yaml is another configuration"
    assert told in workspace.snakemake("all", "-n", *smoke).stdout
    assert written.read_text() == "what the jobs of that run read"
    written.unlink()
    for _ in range(2):
        assert told not in workspace.snakemake("all", "-n", *smoke).stdout


@pytest.mark.parametrize("begun", ["32-true", "bf16-mixed"])
def test_a_run_goes_on_in_the_precision_that_it_began_in(workspace, begun):
    auto = workspace.folder / "auto.yaml"
    auto.write_text("engine: {precision: auto}")
    tier = workspace.folder / "workflow/tiers/smoke.yaml"
    smoke = ["--configfile", str(tier), str(auto)]
    written = workspace.folder / "runs" / "smoke" / "config.yaml"
    workspace.snakemake("all", "-n", *smoke)
    assert "precision: auto" in written.read_text()  # a dry run begins none
    workspace.snakemake("data", "--cores", "1", *smoke)
    first = written.read_text()
    assert load.load(written) == load.load(workspace.folder / "config.yaml", tier, auto)
    assert "precision: auto" not in first

    written.write_text(re.sub("precision: .*", f"precision: {begun}", first))
    output = workspace.snakemake("data", "--cores", "1", *smoke).stdout
    assert "is another configuration" not in output and "Nothing to be done" in output
    assert load.load(written)["engine"]["precision"] == begun


def test_kubernetes_takes_the_same_graph_and_declared_files_from_its_storage(workspace):
    """A pod has only what Snakemake copies there, and the volume below its runs/."""
    smoke = ["--configfile", str(ROOT / "workflow/tiers/smoke.yaml")]
    here = workspace.snakemake("all", "-n", *smoke).stdout

    output = workspace.snakemake("--profile", "kubernetes", "all", "-n", *smoke).stdout

    assert _counts(output) == _counts(here)
    commands = re.findall(r"^Shell command: (.*qr.*)$", output, re.MULTILINE)
    assert len(commands) == _counts(output)["total"] - 1  # all but `all`
    undeclared = re.findall(r"(?<![\w/])runs/(?:smoke/)?(\w+)", "\n".join(commands))
    assert set(undeclared) == {"config", "state", "downloads", "benchmarks"}


@pytest.mark.parametrize(("source", "here", "gpus"), [("zoo", True, "0"), ("train", False, "1")])
def test_a_download_takes_no_job_on_the_cluster(workspace, source, here, gpus):
    (workspace.folder / "source.yaml").write_text(f"baseline: {{source: {source}}}")
    probe = workspace.folder / "workflow" / "probe.smk"
    probe.write_text('include: "Snakefile"\nprint("local:", *workflow._localrules)\n')
    output = workspace.snakemake(
        "--profile", "slurm", "-s", str(probe), "all", "-n", "--configfile", "source.yaml"
    ).stdout

    local = re.search(r"^local: (.*)$", output, re.MULTILINE)[1].split()
    assert ("baseline" in local) == here
    blocks = re.findall(r"^rule baseline:.*? gpu=(\d+)", output, re.MULTILINE | re.DOTALL)
    assert blocks == [gpus] * 60


def test_jobs_ask_for_the_time_that_was_measured(workspace, monkeypatch):
    monkeypatch.chdir(workspace.folder)
    measured = workspace.folder / "measured.yaml"
    measured.write_text("engine: {precision: bf16-mixed}")  # as workflow/speed.csv was
    tier = [str(ROOT / "workflow" / "tiers" / "cpu.yaml"), str(measured)]
    cost = Cost(load.load(ROOT / "config.yaml", *tier), workspace.folder / "runs" / "cpu-v1")
    estimated = {job.step for job in cost.work.grid.jobs()}

    output = workspace.snakemake("all", "-n", "--configfile", *tier).stdout

    asked = {}
    for block in re.split(r"^(?=rule )", output, flags=re.MULTILINE):
        step = re.match(r"rule (\w+):", block)
        if step and step[1] in estimated and "codec=" in block:
            wildcards = re.search(r"wildcards: (.*)", block)[1].split(", ")
            values = dict(part.split("=") for part in wildcards)
            codec, seed = CodecId.parse(values["codec"]), values.get("seed")
            job = Job(
                step[1], codec, values.get("variant"), seed and int(seed), values.get("stage")
            )
            asked[job] = int(re.search(r"runtime=(\d+)", block)[1])
    assert asked == {
        job: cost.need(job, "minutes", 1) for job in cost.work.grid.jobs() if job.codec
    }
    assert len(set(asked.values())) > 10


def test_jobs_run_the_python_that_runs_snakemake_also_where_none_is_on_the_path(workspace):
    tools = workspace.folder / "tools"
    tools.mkdir()
    for name in ("bash", "git", "tee", "which"):
        (tools / name).symlink_to(shutil.which(name))
    smoke = ["--configfile", str(ROOT / "workflow/tiers/smoke.yaml"), "--cores", "1"]
    workspace.snakemake("data", *smoke, PATH=str(tools))
    assert (workspace.folder / "runs/smoke/data/test.csv").is_file()


def test_an_unknown_key_stops_the_workflow_and_is_named(workspace):
    done = workspace.snakemake("-n", "--config", "qualites=[1]", check=False)
    assert done.returncode != 0
    assert "qualites" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_larger_grid_keeps_what_is_trained():
    small = Grid(load.load(ROOT / "config.yaml"))
    models = {"mbt2018-mean": {"qualities": [1, 2]}, "mbt2018": {"qualities": [2, 3]}}
    larger = Grid(settings.overlay(small.config, {"models": models, "seeds": [0, 1]}))
    for codec in larger.codecs:
        if codec in small.codecs:
            for step in ("baseline", "soft", "predictive", "encode", "decode"):
                before, after = (steps.settings(step, g.config, codec) for g in (small, larger))
                assert before == after


def test_a_wrong_value_is_laid_to_the_file_that_has_it(workspace, tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text('seeds: "0"\n')
    tier = str(ROOT / "workflow/tiers/smoke.yaml")
    done = workspace.snakemake("-n", "--configfile", tier, str(overlay), check=False)
    assert done.returncode != 0
    assert f"{overlay}: seeds: '0' is not of type 'array'" in done.stdout


def test_a_clone_runs_its_own_code_whichever_is_installed(workspace):
    """The command snakemake, unlike python -m snakemake, does not look into its folder first."""
    for name in ("archive/seal.py", "__main__.py"):
        path = workspace.folder / "qr" / name
        path.write_text(f"print('the clone has {name}')\n{path.read_text()}")
    snakemake = Path(sys.executable).with_name("snakemake")
    options = ["--cores", "1", "--configfile", str(ROOT / "workflow/tiers/smoke.yaml")]
    done = subprocess.run(
        [snakemake, "runs/smoke/data/test.csv", *options],
        cwd=workspace.folder,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "the clone has archive/seal.py" in done.stdout
    assert "the clone has __main__.py" in done.stdout
