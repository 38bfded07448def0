"""What `qr speed` times, and that `qr plan` can live on it."""

import os
import signal

import pandas as pd
import pytest
import torch

from qr.codecs import registry, weights
from qr.codecs.catalogue import CodecId
from qr.config import load
from qr.config.settings import overlay
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.decoders.weights import save_decoder
from qr.measure import speed
from qr.plan import cost
from qr.train.phases import PredictivePhase
from support import commands

CODEC = CodecId("mbt2018", "mse", 1)


@pytest.fixture(scope="module")
def settings(small_config):
    """A context model whose soft phase is joint, and a variant that warms up by itself."""
    changes = {
        "variants": ["original", "baseline", "centroid", "decoder", "qr", "qr-hyper"],
        "runtime": {"image": [128, 64]},
        "seeds": [0, 1],
    }
    return overlay(small_config, changes)


@pytest.fixture(scope="module")
def measured(settings, tmp_path_factory):
    """The configuration and the table that `qr speed` made for it."""
    folder = tmp_path_factory.mktemp("speed")
    path, table = folder / "mine.yaml", folder / "out" / "speed.csv"
    load.write(settings, path)
    assert commands.run("speed", "-c", path, "--out", table) == 0
    return path, table


def test_the_table_holds_all_that_the_jobs_do(measured):
    rows = pd.read_csv(measured[1], keep_default_na=False)
    assert (rows["seconds"] > 0).all()
    assert set(rows["device"]) == {"cpu"} and set(rows["model"]) == {"mbt2018"}
    trained = rows[rows["split"] == "train"]
    assert sorted(zip(trained["step"], trained["variant"], strict=True)) == [
        ("baseline", ""), ("predictive", "decoder"), ("predictive", "qr"),
        ("predictive", "qr-hyper"), ("soft", "qr-hyper"), ("soft-joint", "qr"),
    ]  # fmt: skip
    assert len(rows[rows["split"] == "validation"]) == len(trained)
    decoded = rows[rows["step"] == "decode"]
    assert sorted(decoded["variant"]) == [
        "", "baseline", "centroid", "decoder", "original", "qr", "qr-hyper",
    ]  # fmt: skip
    assert set(decoded["size"]) == {"128x64"}


def test_the_plan_takes_it_for_every_job_that_it_covers(works, measured, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, overlay, slow = measured[0], tmp_path / "speed.yaml", tmp_path / "slow.csv"
    # The plan rounds to hundredths of a minute, of which a fast machine needs none.
    rows = pd.read_csv(measured[1], dtype=str, keep_default_na=False)
    rows.assign(seconds="60").to_csv(slow, index=False)
    overlay.write_text(f"resources: {{speed: {slow}}}\n")
    works("plan", "-c", path, "-c", overlay, "--out", tmp_path / "plan.csv")
    plan = pd.read_csv(tmp_path / "plan.csv").set_index("step")
    covered = ["baseline", "explore", "soft", "predictive", "encode", "decode"]
    assert (plan["speed"] == plan["jobs"])[covered].all()
    assert (plan["limit"] == plan["jobs"])[["data", "runtime", "anchors"]].all()
    assert (plan["minutes_per_job"] >= 1)[covered].all()


def test_weights_are_as_large_as_the_files_that_are_written(measured, tmp_path):
    codec = registry.build_codec("mbt2018", 1, 8, 12)
    codec.model.update()
    weights.save_codec(tmp_path / "baseline", codec, CODEC, {})
    for name in ("decoder", "qr"):
        decoder = build_decoder(variants.get(name), codec, 8)
        save_decoder(tmp_path / name, decoder, name, 8, codec)
    found = {
        rate.variant or rate.step: row.checkpoint_mb
        for rate, row in cost.read(measured[1]).items()
        if row.checkpoint_mb and rate.step in ("baseline", "predictive")
    }
    for name in ("baseline", "decoder", "qr"):
        size = (tmp_path / name).stat().st_size / 1e6
        assert found[name] == pytest.approx(size, abs=0.02), name  # names of tensors are extra


def test_a_second_configuration_is_added(works, measured, settings, tmp_path):
    before = cost.read(measured[1])
    table = tmp_path / "speed.csv"
    cost.merge(table, before)
    changes = {
        "training": {"batch_size": 1},
        "baseline": {"mse": {"batch_size": 1}},
        "variants": ["baseline"],
        "runtime": {"image": [64, 64]},
    }
    path = tmp_path / "other.yaml"
    load.write(overlay(settings, changes), path)
    works("speed", "-c", path, "--out", table)
    after = cost.read(table)
    assert before.items() < after.items()
    added = after.keys() - before.keys()
    assert {rate.batch for rate in added} == {1}
    assert {rate.size for rate in added} == {"64x64"}


def test_stopped_early_it_keeps_what_it_has(command, settings, tmp_path, monkeypatch):
    forward = PredictivePhase.forward

    def interrupted(self, x):
        os.kill(os.getpid(), signal.SIGINT)
        return forward(self, x)

    monkeypatch.setattr(PredictivePhase, "forward", interrupted)
    path, table = tmp_path / "mine.yaml", tmp_path / "speed.csv"
    load.write(settings, path)
    status, _, err = command("speed", "-c", path, "--out", table)
    assert status == 75
    assert {rate.step for rate in cost.read(table)} == {"baseline", "soft-joint"}
    assert f"what was timed before is in {table}" in err


@pytest.mark.parametrize(("ours", "other"), [("32-true", "bf16-mixed"), ("bf16-mixed", "32-true")])
@pytest.mark.parametrize(("ratio", "warns"), [(2.5, True), (1.0, False), (0.5, False)])
def test_another_precision_that_is_faster_is_named(
    command, settings, tmp_path, monkeypatch, ours, other, ratio, warns
):
    """The clock is made up: a step in `ours` takes `ratio` times as long as in `other`."""
    taken = {ours: ratio, other: 1.0}

    def clocked(self, _batch):
        self.step_seconds.append(taken[self.engine["precision"]])
        return {"loss": 0.0}

    monkeypatch.setattr(speed._TimedTrainer, "train_step", clocked)
    path, table = tmp_path / "mine.yaml", tmp_path / "speed.csv"
    changes = {"engine": {"precision": ours}, "variants": ["baseline"], "extra": []}
    load.write(overlay(settings, changes), path)
    status, _, err = command("speed", "-c", path, "--out", table)
    assert status == 0
    assert (f"takes {ratio:.2f} times as long in {ours} as in {other}" in err) is warns
    assert err.count("engine.precision") == warns
    trained = {rate.precision for rate in cost.read(table) if rate.split == "train"}
    assert trained == {ours}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("engine", [{"accelerator": "auto"}, {"coding": "cuda"}], ids=str)
def test_without_a_gpu_it_does_not_time_something_else(refused, settings, tmp_path, engine):
    path = tmp_path / "mine.yaml"
    load.write(overlay(settings, {"engine": engine}), path)
    refused("speed", "-c", path, "--out", tmp_path / "speed.csv", says=["there is no GPU here"])
    assert not (tmp_path / "speed.csv").exists()


def test_a_file_that_is_no_table_is_not_overwritten(refused, measured, tmp_path):
    table = tmp_path / "notes.csv"
    table.write_text("my notes\n")
    says = ["notes.csv is no table of `qr speed`"]
    refused("speed", "-c", measured[0], "--out", table, says=says)
    assert table.read_text() == "my notes\n"
