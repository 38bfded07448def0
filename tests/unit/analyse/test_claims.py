"""What is said of each claim, on numbers that are made for it."""

import numpy as np
import pandas as pd
import pytest

from qr.analyse import claims
from qr.analyse.metrics import Metrics
from qr.files import write_csv
from support import metrics as fixture

MODELS = ("bmshj2018-factorized", "mbt2018")


@pytest.fixture
def found(tmp_path):
    """The findings of a run, after changes to its files; by the beginning of a claim."""

    def find(beginning, changes=None, **run):
        run = {"models": MODELS, "qualities": (1, 4)} | run
        folder = fixture.write_metrics(tmp_path, **run)
        for name, change in (changes or {}).items():
            table = pd.read_csv(folder / f"{name}.csv")
            change(table)
            kinds = {c: "Int64" for c in ("seed",) if c in table}
            write_csv(table.astype(kinds), folder / f"{name}.csv")
        table = claims.findings(Metrics(folder)).set_index("claim")
        (claim,) = [name for name in table.index if name.startswith(beginning)]
        return table.loc[claim]

    return find


def add(table, rows, column, number):
    table.loc[rows, column] = table.loc[rows, column] + number


def test_a_gain_is_the_known_mean_and_maximum(found):
    row = found("QR raises PSNR.")
    expected = [fixture.gain("qr", q) for q in (1, 4)]
    assert row["value"] == pytest.approx(np.mean(expected))
    assert (row["verdict"], row["unit"]) == (claims.HOLDS, "dB")
    assert f"at most {max(expected):+.3f} dB" in row["note"] and "quality 4" in row["note"]


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.0, claims.HOLDS), (-0.016, claims.OPEN), (-0.2, claims.FAILS)]
)
def test_the_own_gain_is_over_the_control_and_judged_by_its_interval(found, shift, verdict):
    def moved(table):
        ours = table["variant"] == "qr"
        add(table, ours, "psnr_db", shift)
        add(table, ours & (table.index % 2 == 0), "psnr_db", 0.02)
        add(table, ours & (table.index % 2 == 1), "psnr_db", -0.02)

    row = found("(Ours) It raises PSNR", {"images": moved}, seeds=(0, 1))
    expected = np.mean([fixture.gain("qr", q) - fixture.gain("decoder", q) for q in (1, 4)])
    assert row["value"] == pytest.approx(expected + shift)
    assert row["verdict"] == verdict
    assert found("(Ours) It raises PSNR", {"images": moved})["verdict"] == claims.OPEN  # once


def test_equal_files_have_equal_bits(found):
    assert found("The bits do not change.")["verdict"] == claims.HOLDS

    def longer(table):
        one = (table["variant"] == "qr") & (table["image"] == fixture.KODAK[0])
        add(table, one, "bytes", 1)

    row = found("The bits do not change.", {"images": longer})
    assert (row["verdict"], row["value"]) == (claims.FAILS, 2 * 2 * 2)


def test_seeds_of_the_change_of_error_are_told_apart(found):
    assert "trained once" in found("The error falls more")["note"]
    assert "trained once" not in found("The error falls more", seeds=(0, 1))["note"]


def test_ms_ssim_gains_more(found):
    def more(table):
        add(table, (table["metric"] == "ms-ssim") & (table["variant"] == "qr"), "ms_ssim_db", 0.1)

    row = found("MS-SSIM gains more", {"images": more})
    assert (row["verdict"], round(row["value"], 9)) == (claims.HOLDS, 0.1)
    assert found("MS-SSIM gains more", metrics=("mse",))["verdict"] == claims.MISSING


@pytest.mark.parametrize(("more", "verdict"), [(0.05, claims.HOLDS), (-0.05, claims.FAILS)])
def test_complex_codecs_are_those_with_a_context_model(found, more, verdict):
    def changed(table):
        add(table, (table["model"] == "mbt2018") & (table["variant"] == "qr"), "psnr_db", more)

    row = found("More complex codecs", {"images": changed})
    assert (row["verdict"], round(row["value"], 9)) == (verdict, more)
    assert found("More complex", models=MODELS[:1])["verdict"] == claims.MISSING


def test_the_error_is_compared_between_the_lowest_and_the_highest_quality(found):
    def less(table):
        low = (table["variant"] == "qr") & (table["quality"] == 1)
        table.loc[low, "rectified_error"] = 0.9 * table.loc[low, "quantization_error"]

    row = found("The error falls more", {"images": less})
    assert (row["verdict"], round(row["value"], 9)) == (claims.HOLDS, -10 + 4)
    assert "Factorized -10.00 and -4.00 %, Joint -10.00 and -4.00 %" in row["note"]
    assert found("The error falls more", qualities=(4,))["verdict"] == claims.MISSING


@pytest.mark.parametrize(
    ("joint", "verdict"),
    [((0.98, 0.99), claims.HOLDS), ((0.95, 0.95), claims.OPEN), ((1.01, 1.02), claims.FAILS)],
)
def test_a_mean_over_codecs_does_not_speak_for_each(found, joint, verdict):
    def changed(table):
        ours, lowest = table["variant"] == "qr", table["quality"] == 1
        # By turns a little more and less from image to image, at the lowest quality alone
        turns = np.where(lowest, (-1.0) ** table["image"].factorize()[0], 0) / 1000
        for model, (low, high) in zip(MODELS, ((0.5, 0.9), joint), strict=True):
            rows = ours & (table["model"] == model)
            share = np.where(lowest, low, high) + turns
            table.loc[rows, "rectified_error"] = (share * table["quantization_error"])[rows]

    row = found("The error falls more", {"images": changed})
    assert row["value"] < -19 and row["high"] < 0
    assert row["verdict"] == verdict


def test_a_codec_that_is_not_registered_has_its_own_name(found):
    row = found("QR raises PSNR.", models=("my-codec",))
    assert "(my-codec, quality 4)" in row["note"]


def test_an_error_that_rises_less_does_not_fall_more(found):
    def rises(table):
        ours, low = table["variant"] == "qr", table["quality"] == 1
        table.loc[ours & low, "rectified_error"] = 1.1 * table.loc[ours, "quantization_error"]
        table.loc[ours & ~low, "rectified_error"] = 1.2 * table.loc[ours, "quantization_error"]

    row = found("The error falls more", {"images": rises})
    assert (row["verdict"], round(row["value"], 9)) == (claims.FAILS, -10)


@pytest.mark.parametrize(
    ("by_alpha", "apart", "verdict"),
    [
        ((0, 0.1, 0.3, 0.1), 0.05, claims.HOLDS),
        ((0.3, 0.1, 0.0, 0.2), 0.05, claims.FAILS),
        ((0.3, 0.1, 0.12, 0.0), 0.05, claims.HOLDS),  # a dip as small as chance
        ((0, 0.01, 0.03, 0.01), 0.05, claims.OPEN),
        ((0, 0.1, 0.3, 0.1), None, claims.OPEN),  # nobody knows what chance is
    ],
)
def test_one_optimum_is_told_from_chance(found, by_alpha, apart, verdict):
    def explored(table):
        worth = dict(zip((1.0, 0.1, 0.01, 0.001), by_alpha, strict=True))
        table["psnr_db"] = 30 + table["alpha"].map(worth)
        table["loss"] = -table["psnr_db"]

    def trained(table):
        add(table, table["seed"] == 1, "psnr_db", apart or 0)

    seeds = (0,) if apart is None else (0, 1)
    changes = {"exploration": explored, "training": trained}
    row = found("Quality by alpha", changes, seeds=seeds, qualities=(4,), metrics=("mse",))
    assert row["verdict"] == verdict


def test_an_alpha_that_diverged_is_no_optimum_and_hides_none(found):
    """It was the best before it failed; without it, quality has a peak in the middle."""

    def explored(table):
        worth = {1.0: 0.9, 0.1: 0.1, 0.01: 0.3, 0.001: 0.1}
        table["psnr_db"] = 30 + table["alpha"].map(worth)
        table["loss"] = -table["psnr_db"]
        failed = (table["alpha"] == 1.0) & table["stop_reason"].notna()
        table.loc[failed, "stop_reason"] = "diverged at step 7"

    def trained(table):
        add(table, table["seed"] == 1, "psnr_db", 0.05)

    changes = {"exploration": explored, "training": trained}
    run = {"seeds": (0, 1), "qualities": (4,), "metrics": ("mse",)}
    assert found("Quality by alpha", changes, **run)["verdict"] == claims.HOLDS


def test_at_other_rates_no_optimum_can_be_told(found):
    """As of a joint soft phase, in which each alpha makes another codec."""

    def explored(table):
        table["psnr_db"] = 30 + table["alpha"]
        table["bpp"] = 0.4 + 0.1 * table["alpha"]

    row = found("Quality by alpha", {"exploration": explored}, seeds=(0, 1), metrics=("mse",))
    assert row["verdict"] == claims.OPEN


def test_an_alpha_that_is_taken_over_is_not_measured(found):
    def derived(table):
        table.loc[table["metric"] == "ms-ssim", "strategy"] = "derived"

    beginning = "The best alpha for MS-SSIM"
    assert found(beginning, {"exploration": derived})["verdict"] == claims.MISSING
    row = found(beginning)  # searched for both, with the same outcome
    assert (row["verdict"], row["value"]) == (claims.FAILS, 1.0)
    assert found(beginning, metrics=("ms-ssim",))["verdict"] == claims.MISSING


def test_l2_is_compared_with_the_next_best(found):
    variants = (*fixture.VARIANTS, "qr-l2", "qr-l1", "qr-smooth-l1", "qr-cosine")

    def ranked(table):
        for n, name in enumerate(("qr-l2", "qr-l1", "qr-smooth-l1", "qr-cosine")):
            add(table, table["variant"] == name, "psnr_db", -0.01 * n)

    twice = {"variants": variants, "seeds": (0, 1)}
    row = found("Of four feature distances", {"images": ranked}, **twice)
    assert (row["verdict"], round(row["value"], 9)) == (claims.HOLDS, 0.01)
    assert "qr-l1" in row["note"]

    def unsure(table):
        ranked(table)
        worst = (table["variant"] == "qr-cosine") & (table["image"] == table["image"].iloc[0])
        add(table, worst, "psnr_db", 0.3)

    assert found("Of four feature distances", {"images": unsure}, **twice)["verdict"] == claims.OPEN
    once = found("Of four feature distances", {"images": ranked}, variants=variants)
    assert once["verdict"] == claims.OPEN and once["value"] == pytest.approx(row["value"])
    assert found("Of four feature distances")["verdict"] == claims.MISSING


def test_nothing_is_told_of_the_time_that_a_busy_machine_took(found):
    def busy(table):
        table.loc[(table["part"] == "decode") & (table["variant"] == "baseline"), "ratio_iqr"] = 0.3

    steady, row = found("Running time"), found("Running time", {"runtime": busy})
    assert steady["verdict"] != claims.OPEN and "busy" not in steady["note"]
    assert row["verdict"] == claims.OPEN and row["note"].endswith("interquartile range of 0.30")
    assert row["value"] == steady["value"]


def test_added_time_is_a_share_of_encoding_and_decoding():
    parts = [
        ("baseline", "analysis", 1.0, None), ("baseline", "entropy_encode", 2.0, None),
        ("baseline", "decode", 5.0, 1.0), ("qr", "decode", 5.6, 1.1),
    ]  # fmt: skip
    table = pd.DataFrame(parts, columns=["variant", "part", "median_s", "ratio_to_baseline"])
    shares = claims.added_shares(table.assign(model="mbt2018", device="cpu"))
    (row,) = shares[shares["variant"] == "qr"].to_dict("records")
    assert row["codec_s"] == 8.0
    assert row["added_percent"] == pytest.approx(100 * 0.5 / 8)
