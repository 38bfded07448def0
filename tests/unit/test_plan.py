"""The plan counts what the workflow would run, and learns from what it has run."""

from pathlib import Path

import pytest

from qr import config
from qr.plan import plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings():
    return config.load(ROOT / "config.yaml")


def rows(settings, run):
    return {row["step"]: row for row in plan(settings, run)}


def test_jobs_are_those_of_the_paper(settings, tmp_path):
    found = rows(settings, tmp_path)
    codecs = (8 + 8 + 8 + 6) * 2
    assert found["soft"]["jobs"] == found["encode"]["jobs"] == codecs
    assert found["predictive"]["jobs"] == codecs * 2  # decoder and qr
    assert found["explore"]["jobs"] == found["runtime"]["jobs"] == 4


def test_before_any_job_the_configured_limit_counts(settings, tmp_path):
    settings["resources"]["predictive"]["minutes"] = 90
    found = rows(settings, tmp_path)["predictive"]
    assert found["minutes_per_job"] == 90
    assert found["gpu_hours"] == 120 * 1.5


def test_finished_jobs_refine_the_rest(settings, tmp_path):
    finished = tmp_path / "benchmarks" / "soft" / "mbt2018_mse_q1.tsv"
    finished.parent.mkdir(parents=True)
    finished.write_text("s\th:m:s\n600.0\t0:10:00\n")
    output = tmp_path / "soft" / "mbt2018_mse_q1" / "codec.safetensors"
    output.parent.mkdir(parents=True)
    output.write_bytes(bytes(10**7))
    found = rows(settings, tmp_path)["soft"]
    assert (found["done"], found["minutes_per_job"]) == (1, 10)
    assert found["gpu_hours"] == pytest.approx(59 / 6, abs=0.01)
    assert found["disk_gb"] == pytest.approx(0.6)


def test_the_total_adds_up(settings, tmp_path):
    found = rows(settings, tmp_path)
    total = found.pop("total")
    assert total["jobs"] == sum(row["jobs"] for row in found.values())
    assert total["gpu_hours"] == pytest.approx(sum(row["gpu_hours"] for row in found.values()))
