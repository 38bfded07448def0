"""Gains, their intervals and Bjontegaard deltas against values that were found another way."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qr.analyse.anchors import published
from qr.analyse.bjontegaard import bjontegaard_delta
from qr.analyse.gains import differences, gains
from qr.analyse.inference import UNTRAINED, correlation, holm, interval
from support import metrics as fixture

QUICK = {"bootstrap": 2000, "seed": 0}


def one_codec(variants=fixture.VARIANTS, seeds=(0,), names=fixture.KODAK, metric="mse", small=()):
    return fixture.images(["mbt2018"], [metric], [3], variants, list(seeds), names, small)


def test_differences_are_paired_by_image_and_seed():
    rows = one_codec(seeds=(0, 1, 2), names=["a", "b"]).sample(frac=1, random_state=0)
    table = differences(rows, "qr", "decoder")
    lookup = {
        (r["variant"], r["seed"], r["image"]): r["psnr_db"]
        for r in rows.to_dict("records")
        if r["variant"] in ("qr", "decoder")
    }
    for seed in (0, 1, 2):
        for image in ("a", "b"):
            expected = lookup["qr", seed, image] - lookup["decoder", seed, image]
            assert table.loc[seed, image] == pytest.approx(expected)


def test_an_untrained_variant_pairs_with_every_seed():
    rows = one_codec(seeds=(0, 1, 2))
    assert differences(rows, "qr", "baseline").shape == (3, 24)
    assert differences(rows, "centroid", "decoder").shape == (3, 24)
    assert differences(rows, "centroid", "baseline").shape == (1, 24)


def test_only_seeds_that_both_have_are_paired():
    rows = one_codec(seeds=(0, 1, 2))
    rows = rows[~((rows["variant"] == "decoder") & (rows["seed"] == 1))]
    assert list(differences(rows, "qr", "decoder").index) == [0, 2]
    rows = rows[~((rows["variant"] == "qr") & (rows["seed"] != 1))]
    nothing = interval(differences(rows, "qr", "decoder"))
    assert math.isnan(nothing.value) and nothing.seeds == 0


def test_ms_ssim_gains_are_means_of_differences_in_db_and_skip_small_images():
    rows = one_codec(metric="ms-ssim", small=["kodim03.png"])
    table = differences(rows, "qr", "baseline")
    assert "kodim03.png" not in table and table.shape == (1, 23)
    a, b = (rows[rows["variant"] == v].set_index("image")["ms_ssim"] for v in ("qr", "baseline"))
    expected = [-10 * math.log10((1 - a[i]) / (1 - b[i])) for i in table.columns]
    assert table.iloc[0].tolist() == pytest.approx(expected)


def test_perfect_pictures_differ_by_nothing():
    rows = one_codec(names=["a", "b"]).assign(psnr_db=math.inf)
    assert (differences(rows, "qr", "baseline") == 0).all(axis=None)


def test_gains_are_the_known_ones_at_every_quality_and_on_average():
    images = fixture.images(
        ["mbt2018", "cheng2020-attn"], ["mse", "ms-ssim"], [1, 2, 4], fixture.VARIANTS, [0, 1, 2],
        fixture.KODAK,
    )  # fmt: skip
    table = gains(images, "baseline")
    assert len(table) == 2 * 2 * (3 + 1) * len(fixture.VARIANTS)
    for row in table.to_dict("records"):
        qualities = [1, 2, 4] if row["quality"] == "mean" else [row["quality"]]
        expected = sum(fixture.gain(row["variant"], q) for q in qualities) / len(qualities)
        assert row["gain_db"] == pytest.approx(expected, abs=1e-9)
        assert row["gain_low_db"] <= row["gain_db"] + 1e-9
        assert row["gain_high_db"] >= row["gain_db"] - 1e-9
        assert row["images"] == 24
        assert row["seeds"] == (0 if row["variant"] in fixture.UNTRAINED else 3)
    assert gains(images, "absent").empty


def test_one_seeds_interval_is_students_t_over_the_images():
    values = 0.02 + np.random.default_rng(5).exponential(0.1, 24)
    found, expected = interval(pd.DataFrame([values])), stats.ttest_1samp(values, 0)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert found.value == pytest.approx(values.mean())
    assert math.isnan(found.p)  # another training may differ by more than images do
    untrained = interval(pd.DataFrame([values], index=[UNTRAINED]))
    assert untrained.p == pytest.approx(expected.pvalue)


def test_what_a_seed_alone_changes_is_students_t_over_the_seeds():
    of_seed = np.array([[0.1], [0.14], [0.03]])
    found = interval(pd.DataFrame(np.tile(of_seed, (1, 24))))
    expected = stats.ttest_1samp(of_seed[:, 0], 0)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert found.p == pytest.approx(expected.pvalue)


def test_what_an_image_alone_changes_is_students_t_over_the_images():
    of_image = np.random.default_rng(5).normal(0.02, 0.1, 24)
    found = interval(pd.DataFrame(np.tile(of_image, (3, 1))))
    expected = stats.ttest_1samp(of_image, 0)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert found.p == pytest.approx(expected.pvalue)


def test_who_changes_a_table_of_gains_or_its_rows_changes_nothing_for_the_next():
    rows = one_codec(names=["a", "b", "c"])
    before = gains(rows, "decoder")
    kept = before.copy()
    before["gain_db"] = 7.0
    pd.testing.assert_frame_equal(gains(rows, "decoder"), kept)
    ours = rows["variant"] == "qr"
    rows.loc[ours, "psnr_db"] += 0.25
    moved = gains(rows, "decoder").set_index(["quality", "variant"])["gain_db"]
    moved = moved - kept.set_index(["quality", "variant"])["gain_db"]
    assert moved[moved.index.get_level_values("variant") == "qr"].to_list() == pytest.approx(
        [0.25] * 2
    )
    assert (moved[moved.index.get_level_values("variant") != "qr"] == 0).all()


def test_holm_agrees_with_its_definition():
    """The family's error: no hypothesis of a step before the first that is kept is lost."""
    p = [0.001, 0.2, 0.012, math.nan, 0.013, 0.04]
    adjusted = holm(p)
    known = sorted(value for value in p if not math.isnan(value))
    for alpha in (0.001, 0.01, 0.03, 0.05, 0.1, 0.5):
        rejected = 0
        while rejected < len(known) and known[rejected] <= alpha / (len(known) - rejected):
            rejected += 1
        assert sum(value <= alpha for value in adjusted) == rejected
    assert math.isnan(adjusted[3])


def test_a_mean_that_one_image_carries_has_another_median():
    rows = one_codec(variants=["baseline", "mine"], names=list("abcde"))
    rows["psnr_db"] = [30.0] * 5 + [30.0, 30.0, 30.1, 30.0, 31.0]
    (found,) = (
        gains(rows, "baseline").query("variant == 'mine' and quality == 3").to_dict("records")
    )
    assert found["gain_db"] == pytest.approx(0.22)
    assert found["gain_median_db"] == pytest.approx(0.0)
    assert math.isnan(found["gain_spread_db"])


def test_the_spread_is_from_the_least_seed_to_the_largest():
    table = gains(one_codec(seeds=(0, 1, 2)), "baseline").set_index(["quality", "variant"])
    assert table.loc[(3, "qr"), "gain_spread_db"] == pytest.approx(0.04)


def test_pairing_removes_what_images_have_in_common():
    # Images differ by decibels, the variants by exactly 0.1 dB: no doubt about the gain.
    rows = one_codec(variants=["baseline", "mine"])
    rows["psnr_db"] = [20 + 10 * (i % 24) / 24 for i in range(len(rows))]
    rows.loc[rows["variant"] == "mine", "psnr_db"] += 0.1
    found = interval(differences(rows, "mine", "baseline"))
    assert found.high - found.low < 1e-9
    assert found.value == pytest.approx(0.1)


def test_seeds_that_disagree_widen_the_interval():
    one = gains(one_codec(seeds=(0,)), "baseline").set_index(["quality", "variant"])
    three = gains(one_codec(seeds=(0, 1, 2)), "baseline").set_index(["quality", "variant"])
    width = [
        t.loc[(3, "qr"), "gain_high_db"] - t.loc[(3, "qr"), "gain_low_db"] for t in (one, three)
    ]
    assert width[1] > 1.3 * width[0]


@pytest.mark.parametrize("seeds", [2, 3, 8])
@pytest.mark.parametrize("rest", [0.3, 3])
def test_the_interval_covers_the_truth_at_least_about_as_often_as_it_says(seeds, rest):
    hits = [found.low <= 0 <= found.high for found in null_intervals(1, 1, rest, seeds, 400)]
    assert np.mean(hits) >= 0.93


def test_p_keeps_its_level_where_holms_method_reads_it():
    # In the sizes that a study has found: of seeds 0.003 dB, of images none, of both 0.007.
    p = np.array([found.p for found in null_intervals(0.003, 0, 0.007, 3, 3000)])
    assert (p < 0.05).mean() < 0.06
    assert (p < 0.05 / 8).mean() < 0.05 / 8 + 3 * np.sqrt(0.05 / 8 / len(p))


def null_intervals(of_seed, of_image, rest, seeds, count):
    """Of gains that are zero in the mean, with three sources of chance, by standard deviation."""
    random_numbers = np.random.default_rng(0)
    for _ in range(count):
        table = random_numbers.normal(0, of_seed, (seeds, 1))
        table = table + random_numbers.normal(0, of_image, (1, 24))
        table = table + random_numbers.normal(0, rest, (seeds, 24))
        yield interval(pd.DataFrame(table))


def test_a_perfect_picture_leaves_the_mean_without_an_interval():
    table = pd.DataFrame(np.tile([0.1, 0.2, math.inf], (3, 1)))
    for seeds in (1, 3):
        found = interval(table[:seeds])
        assert found.value == math.inf
        assert math.isnan(found.low) and math.isnan(found.high) and math.isnan(found.p)


def test_a_reference_that_lacks_a_quality_has_no_mean():
    rows = fixture.images(
        ["mbt2018"], ["mse"], [1, 2, 4], fixture.VARIANTS, [0, 1, 2], fixture.KODAK, ()
    )
    whole = gains(rows, "decoder")
    assert "mean" in set(whole.query("variant == 'qr'")["quality"])
    lacking = rows[(rows["variant"] != "decoder") | (rows["quality"] != 4)]
    assert "mean" not in set(gains(lacking, "decoder")["quality"])


def test_intervals_repeat_with_their_seed_and_depend_on_no_other_row():
    images = one_codec()
    first = gains(images, "baseline")
    pd.testing.assert_frame_equal(first, gains(images, "baseline"))
    alone = gains(images[images["variant"].isin(["baseline", "qr"])], "baseline")
    of_qr = first[first["variant"] == "qr"].reset_index(drop=True)
    again = alone[alone["variant"] == "qr"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_qr, again)


def test_one_observation_has_no_interval():
    found = interval(differences(one_codec(names=["a"]), "qr", "baseline"))
    assert math.isnan(found.low) and math.isnan(found.high) and found.images == 1
    assert found.value == pytest.approx(fixture.gain("qr", 3) + 0.03)


@pytest.mark.parametrize(
    ("codec", "percent", "tolerance"),
    [
        # The field survey's numbers, found with another program: PCHIP, PSNR, codecs for MSE.
        ("bmshj2018-factorized", 68.1, 0.06),
        ("bmshj2018-hyperprior", 30.5, 0.06),
        ("mbt2018-mean", 21.3, 0.06),
        ("mbt2018", 11.0, 0.06),
        ("cheng2020-anchor", 3.7, 0.06),
        ("cheng2020-attn", 5.5, 0.06),
        ("hm", 23.3, 0.06),
        ("bpg-444-x265-ycbcr", 22.0, 0.06),
        ("jpeg", 208, 0.6),
        ("jpeg2000", 98, 0.6),
        ("webp", 79, 0.6),
    ],
)
def test_bd_rate_of_published_curves_against_vtm(codec, percent, tolerance):
    found = bjontegaard_delta(published(["vtm"], "mse"), published([codec], "mse"), "psnr_db")
    assert found.rate_percent == pytest.approx(percent, abs=tolerance)
    akima = bjontegaard_delta(
        published(["vtm"], "mse"), published([codec], "mse"), "psnr_db", method="akima"
    )
    assert akima.rate_percent == pytest.approx(found.rate_percent, abs=2.5)


def test_known_shifts_of_a_curve():
    anchor = published(["mbt2018"], "mse")
    fewer_bits = anchor.assign(bpp=anchor["bpp"] * 0.9)
    better = anchor.assign(psnr_db=anchor["psnr_db"] + 0.1)
    assert bjontegaard_delta(anchor, fewer_bits, "psnr_db").rate_percent == pytest.approx(-10)
    assert bjontegaard_delta(anchor, better, "psnr_db").quality_db == pytest.approx(0.1)
    # The survey's exchange rate of 0.1 dB.
    assert -2.3 <= bjontegaard_delta(anchor, better, "psnr_db").rate_percent <= -1.9
    shuffled = better.sample(frac=1, random_state=1)
    assert bjontegaard_delta(anchor, shuffled, "psnr_db") == bjontegaard_delta(
        anchor, better, "psnr_db"
    )


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([(0.1, 30.0)], "at least 2 points"),
        ([(0.1, 30.0), (0.2, math.nan)], "at least 2 points"),
        ([(0.1, 50.0), (0.2, 51.0)], "do not overlap"),
        ([(0.1, 30.0), (0.2, 29.0), (0.3, 33.0)], "does not rise"),
    ],
)
def test_a_delta_that_is_not_defined_says_why(points, reason):
    anchor = pd.DataFrame({"bpp": [0.1, 0.2, 0.4], "psnr_db": [29.0, 31.0, 33.0]})
    found = bjontegaard_delta(anchor, pd.DataFrame(points, columns=["bpp", "psnr_db"]), "psnr_db")
    assert math.isnan(found.rate_percent) and reason in found.note


def test_little_overlap_is_noted():
    anchor = pd.DataFrame({"bpp": [0.1, 0.2, 0.4], "psnr_db": [29.0, 31.0, 33.0]})
    test = pd.DataFrame({"bpp": [0.1, 0.2, 0.4], "psnr_db": [31.0, 33.0, 35.0]})
    found = bjontegaard_delta(anchor, test, "psnr_db")
    assert found.rate_percent < 0 and found.note == "the curves overlap by only 33 %"
    assert bjontegaard_delta(anchor, anchor, "psnr_db").note == ""


def pearson(a, b):
    return np.mean([np.corrcoef(*rows)[0, 1] for rows in zip(a, b, strict=True)])


def test_correlation_is_pearsons_within_each_quality():
    random = np.random.default_rng(3)
    a = random.normal(size=(3, 24))
    b = 0.6 * a + random.normal(size=a.shape)
    # What qualities differ by must not count, neither in place nor in width.
    far_apart, wide = np.array([[0.0], [50.0], [-20.0]]), np.array([[1.0], [100.0], [0.1]])
    found = correlation(wide * a + far_apart, b - 2 * far_apart, QUICK)
    assert found.value == pytest.approx(pearson(a, b))
    again = []
    for _ in range(2000):
        drawn = random.integers(0, 24, 24)
        again.append(pearson(a[:, drawn], b[:, drawn]))
    assert (found.low, found.high) == pytest.approx(np.quantile(again, [0.025, 0.975]), abs=0.03)


@pytest.mark.parametrize("b", [np.ones((1, 5)), np.arange(2.0)[None]], ids=["constant", "two"])
def test_correlation_of_too_little_is_not_a_number(b):
    a = np.arange(float(b.shape[1]))[None]
    assert np.isnan(correlation(a, b, QUICK)[:3]).all()
