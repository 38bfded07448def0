"""The report: its sentences and numbers, its HTML, and that it needs nothing from elsewhere."""

import json
import re
from importlib import import_module

import html5lib
import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from qr.analyse.metrics import Metrics
from qr.errors import ResultsError
from qr.present.names import CHARTS, TABLES
from qr.present.report import viewer
from qr.present.report.charts import exploration, forest
from qr.present.report.headline import facts, headline
from qr.present.report.page import write_report
from support.metrics import GAIN, KODAK, write_metrics
from support.pictures import write_pictures
from support.report import CODEC, MANIFEST, MODELS, STATISTICS

QUALITIES = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """A version's folder, with everything that the report is made of."""
    folder = tmp_path_factory.mktemp("version")
    write_metrics(folder / "metrics", models=MODELS, seeds=(0, 1))
    write_pictures(folder / "pictures", CODEC, KODAK[:3])
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    return folder


def write(version, out, **more):
    manifest, pictures = version / "manifest.json", version / "pictures"
    arguments = {"manifest": manifest, "pictures": pictures, "statistics": STATISTICS} | more
    write_report("looks", version / "metrics", out, **arguments)
    return out.read_text()


@pytest.fixture(scope="module")
def page(version, tmp_path_factory):
    return write(version, tmp_path_factory.mktemp("page") / "report.html")


def tree(page):
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(page.replace(get_plotlyjs(), ""))  # megabytes, and no HTML


def sentences(tmp_path, **run):
    return headline(Metrics(write_metrics(tmp_path, **run)), STATISTICS)


def known(variant, reference):
    """The fixture's gain, as the mean over its qualities: '+0.175'."""
    gains = [(GAIN[variant] - GAIN[reference]) * (1 + 0.1 * q) for q in QUALITIES]
    return f"{sum(gains) / len(gains):+.3f}"


# The headline


def test_the_headline_has_the_known_gains(version):
    gain, own, rest = headline(Metrics(version / "metrics"), STATISTICS)
    assert gain.count(f"{known('qr', 'baseline')} dB [") == 2
    assert "over 2 codecs at 16 trained points" in gain
    assert own.count(f"gains {known('decoder', 'baseline')} dB [") == 1
    assert f"leaves {known('qr', 'decoder')} dB [" in own
    assert own.count("is better") == 2
    assert "1.33 times the decode time and 1.50 million more parameters at quality 4;" in rest
    assert "24 test images, 2 seeds and at most 800 steps" in rest


@pytest.mark.parametrize(
    ("gain", "verdict", "number"),
    [
        (-0.2, "is worse", "−"),
        (GAIN["decoder"], "is undecided", "+0.000 dB"),
        # An interval that is below zero by little must not look as if it held zero.
        (GAIN["decoder"] - 1e-4, "is worse", "−0.000 dB [−0.000, −0.000]"),
    ],
)
def test_a_gain_that_is_none_or_negative_is_called_so(tmp_path, monkeypatch, gain, verdict, number):
    monkeypatch.setitem(GAIN, "qr", gain)
    own = sentences(tmp_path, models=MODELS, metrics=("mse",), seeds=(0, 1))[1]
    assert verdict in own and "is better" not in own
    assert f"leaves {number}" in own


def test_an_undecided_gain_is_called_so(tmp_path, monkeypatch):
    """Own gains of images that differ by more than their mean."""
    monkeypatch.setitem(GAIN, "qr", GAIN["baseline"])
    folder = write_metrics(tmp_path, models=MODELS, metrics=("mse",), variants=("baseline", "qr"))
    table = pd.read_csv(folder / "images.csv")
    control = table[table["variant"] == "baseline"].assign(variant="decoder", seed=0)
    images = pd.concat([table, control])
    metrics = Metrics(folder)
    metrics.images = images.astype({"seed": "Int64"})
    own = headline(metrics, STATISTICS)[1]
    assert "PSNR is undecided, for the interval holds zero" in own


def test_what_was_trained_once_is_undecided_whatever_its_interval(tmp_path):
    own = sentences(tmp_path, models=MODELS, metrics=("mse",))[1]
    assert "PSNR is undecided: the whole interval is above zero, but each was trained once" in own


def test_another_endpoint_than_qr_over_its_control_has_a_sentence(version):
    images = pd.read_csv(version / "metrics/images.csv", dtype={"seed": "Int64"})
    metrics = Metrics(version / "metrics")
    baseline = images["variant"] == "baseline"
    wide = images[baseline].assign(variant="synthesis-wide", seed=0)
    wide["psnr_db"] += 0.5
    metrics.images = pd.concat([images, wide, wide.assign(seed=1)])
    asked = {"endpoint": {"variant": "qr", "over": ["decoder", "synthesis-wide"]}}
    told = headline(metrics, STATISTICS | asked)[2]
    below = sum(GAIN["qr"] * (1 + 0.1 * q) for q in QUALITIES) / len(QUALITIES) - 0.5
    assert told.count(f"{known('qr', 'decoder')} dB [") == len(MODELS)
    assert told.count(f"{below:+.3f} dB [".replace("-", "−")) == len(MODELS)
    assert told.endswith("] over wide synthesis (2 seeds).")
    unmeasured = {"endpoint": {"variant": "qr-tapped", "over": ["decoder"]}}
    assert len(headline(metrics, STATISTICS | unmeasured)) == 3


def test_facts_count_what_is_there(version):
    counted = facts(Metrics(version / "metrics"))
    assert counted == ["2 codecs", "16 trained points", "5 decoders", "24 test images", "2 seeds"]


def test_facts_tell_uneven_seeds(tmp_path):
    metrics = Metrics(write_metrics(tmp_path, seeds=(0, 1, 2)))
    images = metrics.images
    metrics.images = images[(images["quality"] == 4) | ~(images["seed"] > 0)]
    assert facts(metrics)[-1] == "1 to 3 seeds"


def test_few_images_or_steps_are_warned_of(tmp_path, version):
    last = sentences(tmp_path, models=MODELS, metrics=("mse",), names=KODAK[:2])[-1]
    assert "2 test images, 1 seed and at most 800 steps" in last
    assert "not what a rectifier is worth" in last
    metrics = Metrics(version / "metrics")
    metrics.training = metrics.training.assign(step=metrics.training["step"] * 100)
    last = headline(metrics, STATISTICS)[-1]
    assert last.endswith("at most 80,000 steps of the predictive phase.")


def test_a_single_image_has_no_interval_and_decides_nothing(tmp_path):
    gain, own, _ = sentences(tmp_path, models=MODELS, metrics=("mse",), names=KODAK[:1])
    assert "[" not in gain + own
    assert "PSNR rests on a single observation, which decides nothing" in own


def test_without_control_rectifier_or_times_it_says_so(tmp_path):
    run = {"models": MODELS, "metrics": ("mse",)}
    own = sentences(tmp_path / "a", **run, variants=("baseline", "qr"))[1]
    assert "nobody can say how much of it is QR's own" in own
    first, second, _ = sentences(tmp_path / "b", **run, variants=("baseline", "decoder"))
    assert first.startswith("No trained rectifier is among the decoders")
    assert second == "So there is no gain to report."
    assert "not timed" in sentences(tmp_path / "c", **run, without=("runtime",))[2]


# The page


def test_it_is_valid_html_with_everything_in_it(page):
    document = tree(page)
    identifiers = [e.get("id") for e in document.iter() if e.get("id")]
    assert len(identifiers) == len(set(identifiers))
    links = [a.get("href") for a in document.iter("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= set(identifiers)
    assert {f"chart-{name}" for name in CHARTS} <= set(identifiers)
    assert {f"table-{name}" for name in TABLES} <= set(identifiers)
    assert {link for link in links if not link.startswith("#")} == {"workflow.html"}
    for control in [*document.iter("select"), *document.iter("input")]:
        labels = [label for label in document.iter("label") if control in list(label.iter())]
        assert len(labels) == 1, control.attrib


def test_nothing_is_fetched(page):
    document = tree(page)
    for element in document.iter():
        for name in ("src", "srcset", "data", "action", "poster"):
            assert element.get(name) is None, (element.tag, name)
        assert element.tag not in ("link", "iframe", "object", "base")
    style = "".join("".join(element.itertext()) for element in document.iter("style"))
    assert "url(" not in style and "@import" not in style
    policy = next(m for m in document.iter("meta") if "Policy" in (m.get("http-equiv") or ""))
    assert policy.get("content").startswith("default-src 'none';")
    assert "http" not in policy.get("content")


def test_provenance_is_the_manifests_and_escaped(page):
    text = " ".join("".join(tree(page).itertext()).split())
    for word in (MANIFEST["git_commit"], MANIFEST["config_sha256"], "A <b>fast</b> one",
                 MANIFEST["data_sha256"]["test"]["sha256"], "12.5"):  # fmt: skip
        assert word in text
    assert "with changes that were not committed" in text
    assert "A <b>fast</b> one" not in page


def test_it_is_small_and_the_same_each_time(version, page, tmp_path):
    again = write(version, tmp_path / "report.html")
    assert again == page
    assert len(page.encode()) < 8e6


def test_what_is_missing_is_said(version, tmp_path):
    text = write(version, tmp_path / "report.html", manifest=None, pictures=None)
    text = " ".join("".join(tree(text).itertext()).split())
    assert "The pictures of this version are not here" in text
    assert "This version is unfinished" in text


def test_a_run_with_little_in_it_has_a_report(tmp_path):
    folder = write_metrics(
        tmp_path / "metrics", models=MODELS[:1], metrics=("ms-ssim",), qualities=(3,),
        variants=("baseline",), names=KODAK[:1], small=KODAK[:1],
        without=("exploration", "training", "runtime", "anchors"),
    )  # fmt: skip
    write_report("little", folder, tmp_path / "report.html", statistics=STATISTICS)
    text = "".join(tree((tmp_path / "report.html").read_text()).itertext())
    for sentence in ("Nothing was explored", "Nothing was timed", "Nothing was trained"):
        assert sentence in text


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"version": "mine", "config": {}}'])
def test_a_broken_manifest_is_refused_by_name_before_anything_is_drawn(
    version, tmp_path, monkeypatch, text
):
    monkeypatch.setattr("qr.present.report.page._in_order", lambda *_: pytest.fail("drawn"))
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ResultsError, match=r"manifest\.json"):
        write(version, tmp_path / "report.html", manifest=tmp_path / "manifest.json")


def test_a_report_has_the_name_of_the_version_that_it_is_of(version, tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST | {"version": "another"}))
    with pytest.raises(ResultsError, match=r"is of another, the configuration of looks: name its"):
        write(version, tmp_path / "report.html", manifest=tmp_path / "manifest.json")


def test_pictures_that_are_asked_for_must_be_there(version, tmp_path):
    with pytest.raises(ResultsError, match="none has no pictures"):
        write(version, tmp_path / "report.html", pictures=tmp_path / "none")


# Charts


@pytest.fixture(scope="module")
def drawn(version):
    metrics = Metrics(version / "metrics")
    modules = {name: import_module(f"qr.present.report.charts.{name}") for name in CHARTS}
    return {name: module.chart(metrics).data() for name, module in modules.items()}


def test_every_control_decides_over_traces_and_every_tag_has_a_control(drawn):
    for chart in drawn.values():
        assert chart["traces"]
        for control in chart["controls"]:
            offered = {option["value"] for option in control["options"]}
            used = {
                t["tags"][control["tag"]] for t in chart["traces"] if control["tag"] in t["tags"]
            }
            assert used == offered, (chart["name"], control["tag"])
        tags = {tag for trace in chart["traces"] for tag in trace["tags"]}
        assert tags == {control["tag"] for control in chart["controls"]}


def test_charts_are_plain_json_with_as_many_headers_as_columns(drawn):
    json.dumps(drawn, allow_nan=False)
    for chart in drawn.values():
        for trace in chart["traces"]:
            headers = trace.get("columns") or chart["table"]
            custom = trace["customdata"][0]
            assert len(headers) == 2 + (len(custom) if isinstance(custom, list) else 1)
            assert len(trace["x"]) == len(trace["y"]) == len(trace["customdata"])


def test_rate_and_distortion_are_the_summarys(version, drawn):
    summary = pd.read_csv(version / "metrics" / "summary.csv")
    rows = summary[(summary["model"] == "mbt2018") & (summary["metric"] == "ms-ssim")]
    rows = rows[rows["variant"] == "qr"].groupby("quality")[["bpp", "psnr_db"]].mean()
    tags = {"model": "mbt2018", "metric": "ms-ssim", "variant": "qr"}
    curve, gained = [t for t in drawn["rate_distortion"]["traces"] if t["tags"] == tags]
    assert curve["x"] == pytest.approx(rows["bpp"].to_list(), rel=1e-5)
    assert [c[1] for c in curve["customdata"]] == pytest.approx(rows["psnr_db"], rel=1e-5)
    assert gained["y"] == pytest.approx([GAIN["qr"] * (1 + 0.1 * q) for q in QUALITIES], rel=1e-4)
    original = [
        t for t in drawn["rate_distortion"]["traces"] if t["tags"].get("variant") == "original"
    ]
    assert {t.get("yaxis") for t in original} == {None}  # no gain: its bits are its own
    assert "BPG 4:4:4 (published)" in {t["name"] for t in drawn["rate_distortion"]["traces"]}


def test_change_of_the_error_is_the_known_one(drawn):
    found = {t["tags"]["variant"]: set(t["y"]) for t in drawn["quantization_error"]["traces"]}
    assert found == {"centroid": {-6.0}, "qr": {-4.0}}


def test_every_decoders_time_holds_the_entropy_decoding(drawn):
    milliseconds = {}
    for trace in drawn["runtime"]["traces"]:
        if trace["tags"]["model"] == "mbt2018":
            bars = zip(trace["y"], trace["x"], strict=True)
            milliseconds |= {(decoder, trace["name"]): x for decoder, x in bars}
    parts = {part: milliseconds["QR", part] for part in ("entropy decoding", "synthesis")}
    assert parts == pytest.approx({"entropy decoding": 40, "synthesis": 110})
    assert milliseconds["baseline", "entropy decoding"] == pytest.approx(40)


def test_a_search_without_alpha_has_none(tmp_path):
    folder = write_metrics(tmp_path)
    table = pd.read_csv(folder / "exploration.csv")
    control = table[table["trial"] == 2].assign(variant="decoder", alpha=1.0)  # as qr explore does
    pd.concat([table, control]).to_csv(folder / "exploration.csv", index=False)
    chart = exploration.chart(Metrics(folder)).data()
    (weights,) = [c for c in chart["controls"] if c["tag"] == "alpha"]
    assert "no α in the loss" in {option["label"] for option in weights["options"]}
    ours = [t for t in chart["traces"] if "_decoder" in t["tags"]["search"]]
    assert {t["tags"]["alpha"] for t in ours} == {"no α in the loss"}
    assert ours and all("α = 1" not in t["name"] for t in ours)


# The viewer's data


def test_numbers_in_the_viewer_are_those_of_the_metrics(version):
    images = Metrics(version / "metrics").images
    data = viewer.load(version / "pictures", images)
    (codec,) = data["codecs"]
    assert codec["label"] == "Joint, MSE, quality 4"
    image = codec["images"][1]
    labels = [view["label"] for view in image["views"]]
    assert labels == ["original", "baseline", "decoder only", "QR"]
    row = images[(images["model"] == "mbt2018") & (images["metric"] == "mse")]
    row = row[(row["quality"] == 4) & (row["variant"] == "qr") & (row["seed"] == 0)]
    row = row[row["image"] == KODAK[1]].iloc[0]
    numbers = image["views"][3]["numbers"]
    assert numbers["bytes"] == row["bytes"]
    for name in ("bpp", "psnr_db", "ms_ssim", "quantization_error", "rectified_error"):
        assert numbers[name] == pytest.approx(row[name], rel=1e-5)
    assert (data["left"], data["right"]) == ("baseline", "qr")


def test_equal_files_are_embedded_once(version, tmp_path):
    images = Metrics(version / "metrics").images
    one = len(viewer.load(version / "pictures", images)["files"])
    for codec in (CODEC, "bmshj2018-factorized_mse_q4"):
        write_pictures(tmp_path, codec, KODAK[:3])
    data = viewer.load(tmp_path, images)
    assert [codec["label"].split(",")[0] for codec in data["codecs"]] == ["Factorized", "Joint"]
    assert len(data["files"]) == one
    assert all(re.match(r"data:image/(webp|png);base64,", uri) for uri in data["files"].values())


def test_pictures_of_other_images_are_refused(version, tmp_path):
    images = Metrics(version / "metrics").images
    write_pictures(tmp_path, CODEC, ("other.png",))
    with pytest.raises(ResultsError, match=r"no row of baseline on other\.png"):
        viewer.load(tmp_path, images)
    (tmp_path / CODEC / "other_original.webp").unlink()
    with pytest.raises(ResultsError, match=r"other_original\.webp cannot be read"):
        viewer.load(tmp_path, images)


def test_a_viewer_of_nothing_is_none():
    assert viewer.load(None, pd.DataFrame()) is None


def test_a_report_that_stands_alone_links_to_nothing_beside_it(version, tmp_path):
    for alone in (False, True):
        out = tmp_path / f"{alone}.html"
        write_report("looks", version / "metrics", out, alone=alone)
        assert ("workflow.html" in out.read_text()) != alone


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_marks_of_the_forest_are_hollow_where_there_was_one_training(tmp_path, seeds):
    traces = forest.chart(Metrics(write_metrics(tmp_path, seeds=seeds))).data()["traces"]
    hollow = {
        trace["marker"]["symbol"].endswith("-open")
        for trace in traces
        if trace["tags"]["variant"] in ("decoder", "qr")
    }
    assert hollow == {len(seeds) == 1}
