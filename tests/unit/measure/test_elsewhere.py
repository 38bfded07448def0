"""Codecs that somebody measured elsewhere: read, kept, replaced, drawn, or refused by name."""

import json
import math

import pytest

from qr.analyse.metrics import Metrics
from qr.analyse.views.rate_distortion import rate_distortion
from qr.archive.export import write_compressai
from qr.measure.elsewhere import add
from qr.present.figures import rd_psnr
from qr.present.report.charts.rate_distortion import chart
from support.metrics import write_metrics

THEIRS = {
    "name": "theirs",
    "description": "Inference",
    "results": {
        "psnr-rgb": [32.0, 29.5, 34.25],
        "ms-ssim-rgb": [0.98, 0.9, 0.99],
        "bpp": [0.5, 0.2, 0.9],
        "encoding_time": [1, 1, 1],
    },
}


@pytest.fixture
def metrics(tmp_path):
    return write_metrics(tmp_path / "metrics", models=["mbt2018"])


@pytest.fixture
def evaluation(tmp_path):
    def write(document, name="theirs.json"):
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


def others(metrics):
    return Metrics(metrics).others


def test_points_go_by_rate_and_decibels_are_those_of_the_values(metrics, evaluation):
    assert add(evaluation(THEIRS), metrics, "mse", None) == ("theirs", 3, 0)
    rows = others(metrics)
    assert list(rows["quality"]) == [1, 2, 3]
    assert list(rows["bpp"]) == [0.2, 0.5, 0.9]
    assert list(rows["psnr_db"]) == [29.5, 32.0, 34.25]
    assert list(rows["ms_ssim_db"]) == pytest.approx([10.0, -10 * math.log10(0.02), 20.0])


def test_a_codec_is_replaced_and_others_stay(metrics, evaluation):
    for metric in ("mse", "ms-ssim"):
        for name in ("one", "two"):
            add(evaluation(THEIRS), metrics, metric, name)
    shorter = {"results": {"bpp": [0.3], "psnr-rgb": [30.0]}}
    assert add(evaluation(shorter), metrics, "mse", "one") == ("one", 1, 3)
    assert counts(metrics) == {
        ("one", "mse"): 1, ("one", "ms-ssim"): 3, ("two", "mse"): 3, ("two", "ms-ssim"): 3,
    }  # fmt: skip
    # Drawn beside all, it would meet both of its name, and they it.
    assert add(evaluation(shorter), metrics, None, "two") == ("two", 1, 6)
    assert add(evaluation(THEIRS), metrics, "mse", "two") == ("two", 3, 1)
    assert counts(metrics)["two", "mse"] == 3 and ("two", "none") not in counts(metrics)


def counts(metrics):
    rows = others(metrics)
    return rows.groupby(["codec", rows["metric"].fillna("none")]).size().to_dict()


def test_what_we_export_is_read_again(metrics, tmp_path):
    files = write_compressai(metrics / "summary.csv", tmp_path / "json")
    path = next(file for file in files if file.stem == "mbt2018_mse_qr")
    add(path, metrics, "mse", "again")
    summary = Metrics(metrics).summary
    ours = summary[(summary["variant"] == "qr") & (summary["metric"] == "mse")]
    ours = ours.groupby("quality")[["bpp", "psnr_db"]].mean().sort_values("bpp")
    assert list(others(metrics)["bpp"]) == pytest.approx(list(ours["bpp"]))
    assert list(others(metrics)["psnr_db"]) == pytest.approx(list(ours["psnr_db"]))


@pytest.mark.parametrize(("metric", "shown"), [("mse", True), ("ms-ssim", False), (None, True)])
def test_its_curve_is_drawn_beside_codecs_of_its_metric(metrics, evaluation, metric, shown):
    add(evaluation(THEIRS), metrics, metric, "theirs")
    read = Metrics(metrics)
    assert ("theirs" in set(rate_distortion(read, "mse").published["codec"])) == shown
    legend = [t.get_text() for t in rd_psnr.draw(read).legends[0].get_texts()]
    assert ("theirs" in legend) == shown


@pytest.mark.parametrize("name", ["vtm", "zoo", "avif"])
def test_a_name_that_is_taken_makes_a_curve_of_its_own(metrics, evaluation, name):
    add(evaluation(THEIRS), metrics, None, name)
    read = Metrics(metrics)
    view = rate_distortion(read, "mse")
    ours = view.published[view.published["codec"] == f"{name} (added)"]
    assert list(ours["bpp"]) == [0.2, 0.5, 0.9]
    assert not (view.published["quality_db"] == 29.5)[view.published["codec"] == name].any()


@pytest.mark.parametrize("name", ["one of $5 and $6", r"$\frac{$"])
def test_a_point_alone_and_a_name_with_dollars_are_drawn(metrics, evaluation, name):
    add(evaluation({"results": {"bpp": [0.4], "psnr-rgb": [30.0]}}), metrics, "mse", name)
    figure = rd_psnr.draw(Metrics(metrics))
    figure.canvas.draw()  # reads the formulas that there are
    (alone,) = [line for line in figure.axes[0].lines if list(line.get_xdata()) == [0.4]]
    assert alone.get_marker() == "o"
    (trace,) = [
        trace for trace in chart(Metrics(metrics)).data()["traces"]
        if trace["name"] == name
    ]  # fmt: skip
    assert "markers" in trace["mode"]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "has no results"),
        ({"results": [1]}, "has no results"),
        ({"results": {"psnr-rgb": [30]}}, "must have bpp"),
        ({"results": {"bpp": [0.1]}}, "must have bpp"),
        ({"results": {"bpp": [], "psnr-rgb": []}}, "must have bpp"),
        ({"results": {"bpp": [0.1, 0.2], "psnr-rgb": [30]}}, "as many numbers of each"),
        ({"results": {"bpp": ["x"], "psnr-rgb": [30]}}, "bpp must be numbers"),
        ({"results": {"bpp": [0.1], "psnr-rgb": [float("nan")]}}, "psnr-rgb must be numbers"),
        ({"results": {"bpp": [0.1], "psnr-rgb": [True]}}, "psnr-rgb must be numbers"),
        ({"results": {"bpp": [0.1], "psnr-rgb": [10**400]}}, "psnr-rgb must be numbers"),
        ('{"results": {"bpp": [1e999], "psnr-rgb": [30]}}', "bpp must be numbers, and finite"),
        ({"results": {"bpp": [0.1, 0], "psnr-rgb": [30, 31]}}, "bpp must be above 0"),
        ({"results": {"bpp": [0.1], "psnr-rgb": [-1]}}, "psnr-rgb is from 0 to inf, not -1"),
        ({"results": {"bpp": [0.1], "ms-ssim-rgb": [12.3]}}, "ms-ssim-rgb is from 0 to 1, not 12"),
        ("[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_what_is_no_evaluation_is_refused_and_changes_nothing(
    refused, metrics, evaluation, document, why
):
    path = evaluation(document)
    refused("results", "add", path, "--metrics", metrics, says=[path, why])
    assert not (metrics / "others.csv").exists()


def test_a_folder_without_metrics_and_an_unknown_metric_are_refused(
    refused, works, metrics, evaluation, tmp_path
):
    path = evaluation(THEIRS)
    refused("results", "add", path, "--metrics", tmp_path, says=[tmp_path, "no summary.csv"])
    wrong = ("results", "add", path, "--metrics", metrics, "--trained-for", "psnr")
    refused(*wrong, says=["psnr", "mse, ms-ssim"])
    named = ("results", "add", path, "--metrics", metrics)
    for name in ("two\nlines", " ", "", 61 * "x"):
        refused(*named, "--name", name, says=[repr(name), "--name"])
    assert "theirs: 3 points added; " in works(*named)
    one = evaluation({"name": "theirs", "results": {"bpp": 0.3, "psnr-rgb": 30.0}})
    told = works("results", "add", one, "--metrics", metrics)
    assert "theirs: 1 point added in place of 3 that it had; " in told
