"""The plan counts what the workflow would run, and learns from what it has run."""

import io
from dataclasses import replace

import pandas as pd
import pytest

from qr.codecs.catalogue import CodecId
from qr.config import load
from qr.config.grid import Grid, Job
from qr.config.settings import overlay
from qr.plan import cost
from qr.plan.cost import Measured
from qr.plan.forecast import SOURCES, as_csv, as_text, plan, unanswered, unmeasured
from qr.plan.work import Work
from support.paths import ROOT


@pytest.fixture
def settings():
    return load.load(ROOT / "config.yaml")


def rows(settings, run):
    return {row["step"]: row for row in plan(settings, run)}


def finish(run, step, name, seconds, *files):
    """A job's benchmark file, and 10 MB in each of its outputs."""
    benchmark = run / "benchmarks" / step / f"{name}.tsv"
    benchmark.parent.mkdir(parents=True, exist_ok=True)
    benchmark.write_text(f"s\th:m:s\n{seconds}\t-\n")
    for file in files:
        path = run / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(10**7))


def with_speed(settings, path, step, seconds):
    """The configuration with a table of the first mbt2018 codec's trainings in `step`."""
    work, codec = Work(settings, path.parent), CodecId("mbt2018", "mse", 1)
    (training,) = work.trainings(Job(step, codec, "qr" if step == "predictive" else None))
    each = Measured(seconds, 30.0, 70.0, "some")
    cost.merge(path, {training.rate: each, training.validation: replace(each, seconds=0.0)})
    return overlay(settings, {"resources": {"speed": str(path)}})


def test_jobs_are_those_of_the_paper(settings, tmp_path):
    found = rows(settings, tmp_path)
    codecs = (8 + 8 + 8 + 6) * 2
    assert found["soft"]["jobs"] == found["encode"]["jobs"] == codecs
    assert found["predictive"]["jobs"] == codecs * 2  # decoder and qr
    assert found["explore"]["jobs"] == codecs / 2  # MS-SSIM takes a share of MSE's choice
    assert found["runtime"]["jobs"] == 4


def test_a_download_takes_no_gpu(settings, tmp_path):
    settings["resources"]["results"]["minutes"] = 30
    found = rows(settings, tmp_path)["baseline"]
    assert (found["gpu_hours"], found["cpu_hours"]) == (0, 60 * 0.5)
    trained = overlay(settings, {"baseline": {"source": "train"}})
    trained["resources"]["baseline"]["minutes"] = 120
    found = rows(trained, tmp_path)["baseline"]
    assert (found["gpu_hours"], found["cpu_hours"]) == (60 * 2, 60 * 2 * 5)


def test_a_jobs_files_have_its_name():
    codec = CodecId("mbt2018", "mse", 1)
    assert Job("data").name == "data"
    assert Job("soft", codec).name == "mbt2018_mse_q1"
    assert Job("explore", codec, "qr").name == "mbt2018_mse_q1/qr"
    assert Job("predictive", codec, "qr", 0).name == "mbt2018_mse_q1/qr_s0"
    assert Job("decode", codec, stage="original").name == "original/mbt2018_mse_q1"


def test_without_any_measurement_the_configured_limit_counts(settings, tmp_path):
    settings["resources"]["predictive"]["minutes"] = 90
    found = rows(settings, tmp_path)
    assert found["predictive"]["minutes_per_job"] == 90
    assert found["predictive"]["gpu_hours"] == 120 * 1.5
    assert found["predictive"]["limit"] == 120
    assert found["total"]["disk_gb"] is None


def test_the_table_of_speeds_comes_before_the_limit(settings, tmp_path):
    """100000 steps of 0.03 s for the four narrow qualities of mbt2018, limits for the rest."""
    settings["resources"]["soft"]["minutes"] = 90
    settings = with_speed(settings, tmp_path / "speed.csv", "soft", 0.03)
    found = rows(settings, tmp_path)["soft"]
    assert [found[source] for source in SOURCES] == [0, 0, 4, 56]
    assert found["gpu_hours"] == pytest.approx((4 * 50 + 56 * 90) / 60, abs=0.01)
    assert found["disk_gb"] == pytest.approx(60 * 0.1)


def test_finished_jobs_come_before_the_table(settings, tmp_path):
    """Their own minutes, and for jobs that differ in quality and seed alone their mean."""
    settings["resources"]["soft"]["minutes"] = 90
    settings = with_speed(settings, tmp_path / "speed.csv", "soft", 0.03)
    for quality, seconds in ((1, 600), (2, 1200)):
        name = f"mbt2018_mse_q{quality}"
        files = (f"soft/{name}/codec.safetensors", f"state/soft/{name}/state.pt")
        finish(tmp_path, "soft", name, seconds, *files)
    finish(tmp_path, "soft", "cheng2020-attn_ms-ssim_q1", 60)
    found = rows(settings, tmp_path)["soft"]
    alike = 6 + 5  # of mbt2018 for mse, of cheng2020-attn for ms-ssim
    assert [found[source] for source in SOURCES] == [3, alike, 0, 60 - 3 - alike]
    left = 6 * 15 + 5 * 1 + 46 * 90
    assert found["gpu_hours"] == pytest.approx(left / 60, abs=0.01)
    assert found["minutes_per_job"] == pytest.approx((left + 10 + 20 + 1) / 60, abs=0.01)
    assert found["disk_gb"] == pytest.approx(60 * 0.02 * 8 / 14, abs=0.001)  # scaled up


def cpu_tier():
    """As workflow/speed.csv was measured."""
    tier = load.load(ROOT / "config.yaml", ROOT / "workflow/tiers/cpu.yaml")
    return overlay(tier, {"engine": {"precision": "bf16-mixed"}})


def test_jobs_alike_are_as_much_longer_as_they_do_more(tmp_path, monkeypatch):
    """A warm start takes a part of the steps of what it starts from, here half as slow again."""
    monkeypatch.chdir(ROOT)
    tier = cpu_tier()
    codecs = [CodecId("mbt2018", "mse", quality) for quality in (2, 4, 6)]
    two, four, six = (cost.Cost(tier, tmp_path).minutes(Job("baseline", c)) for c in codecs)
    assert two < six / 3
    before = rows(tier, tmp_path)["baseline"]["cpu_hours"]
    finish(tmp_path, "baseline", Job("baseline", codecs[2]).name, 60 * six * 1.5)
    after = rows(tier, tmp_path)["baseline"]["cpu_hours"]
    assert after - before == pytest.approx(((two + four) * 0.5 - six) / 60, abs=0.011)


def test_variants_and_metrics_are_not_alike(settings, tmp_path):
    finish(tmp_path, "predictive", "mbt2018_mse_q1/qr_s0", 60)
    found = rows(settings, tmp_path)["predictive"]
    assert [found[source] for source in SOURCES] == [1, 7, 0, 112]


def test_the_cpu_tier_is_measured(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = rows(cpu_tier(), tmp_path)
    assert {step for step, row in found.items() if row["limit"]} == {
        "data", "runtime", "anchors", "total",
    }  # fmt: skip


def test_jobs_without_a_rate_in_the_precision_of_this_machine_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    measured = cpu_tier()
    assert unmeasured(plan(measured, tmp_path), measured) == ""
    full = overlay(measured, {"engine": {"precision": "32-true"}})
    found = rows(full, tmp_path)
    jobs = sum(found[step]["jobs"] for step in ("baseline", "explore", "soft", "predictive"))
    told = unmeasured(list(found.values()), full)
    assert told.startswith(f"{jobs} jobs (baseline, explore, soft, predictive) have no measured")
    assert "workflow/speed.csv" in told and "32-true" in told and "`qr speed`" in told


def test_a_plan_without_a_table_says_so_and_not_of_downloads(settings, tmp_path):
    told = unmeasured(plan(settings, tmp_path), settings)
    assert "(explore, soft, predictive, encode, decode)" in told and "speed is null" in told


def test_a_question_that_no_codec_will_answer_is_told_of(settings):
    assert unanswered(settings) == ""
    two = overlay(settings, {"statistics": {"endpoint": {"over": ["decoder", "synthesis-wide"]}}})
    assert ", qr and synthesis-wide: that" in unanswered(two)
    more = {"variants": ["synthesis-wide"], "models": ["mbt2018"], "metrics": ["mse"]}
    assert unanswered(overlay(two, {"extra": [more]})) == ""
    # It is about the mean over qualities, of paired trainings, of codecs for mse.
    for less in ({"qualities": [2, 3]}, {"seeds": [7]}, {"metrics": ["ms-ssim"]}):
        assert unanswered(overlay(two, {"extra": [more | less]})) != "", less
    noisy = {"variants": ["decoder-noisy"]}
    asked = {"statistics": {"endpoint": {"variant": "decoder-noisy"}}}
    assert unanswered(overlay(settings, {"extra": [noisy]} | asked)) != ""
    untrained = {"statistics": {"endpoint": {"over": ["baseline"]}}}
    assert unanswered(overlay(settings, untrained)) == ""
    joint = {"soft": {"codec": "joint"}, "statistics": {"endpoint": {"over": ["original"]}}}
    assert unanswered(overlay(settings, joint)) == ""
    apart = [more | {"qualities": [q], "seeds": [q]} for q in range(1, 9)]
    shared = {"variants": ["qr"], "models": ["mbt2018"], "seeds": list(range(1, 9))}
    assert unanswered(overlay(two, {"extra": [*apart, shared]})) != ""


def test_every_job_has_one_source_and_the_total_adds_up(settings, tmp_path):
    finish(tmp_path, "baseline", "mbt2018_mse_q1", 60, "baseline/mbt2018_mse_q1/codec.safetensors")
    found = rows(with_speed(settings, tmp_path / "speed.csv", "predictive", 0.1), tmp_path)
    total = found.pop("total")
    assert total["jobs"] == len(list(Grid(settings).jobs()))
    for row in (*found.values(), total):
        assert row["jobs"] == sum(row[source] for source in SOURCES)
    for column in ("jobs", "gpu_hours", "cpu_hours"):
        assert total[column] == pytest.approx(sum(row[column] for row in found.values()))
    known = [row["disk_gb"] for row in found.values() if row["disk_gb"] is not None]
    assert len(known) == 2
    assert total["disk_gb"] == pytest.approx(sum(known))


def test_the_plan_is_read_as_it_is_written(settings, tmp_path):
    finish(tmp_path, "baseline", "mbt2018_mse_q1", 100, "baseline/mbt2018_mse_q1/codec.safetensors")
    planned = plan(settings, tmp_path)
    expected = pd.DataFrame(planned)
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(as_csv(planned))), expected, check_dtype=False
    )
    lines = as_text(planned).splitlines()
    assert len({len(line) for line in lines}) == 1
    read = pd.read_csv(io.StringIO(as_text(planned)), sep=r"\s+", na_values="-")
    pd.testing.assert_frame_equal(read, expected, check_dtype=False)
