"""Figures are drawn from any run, repeat byte for byte, and show the numbers that are known."""

import os
import subprocess
import sys
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from qr.analyse.metrics import Metrics
from qr.analyse.views.error import comparable
from qr.decoders import variants
from qr.errors import ResultsError
from qr.files import write_csv
from qr.measure import collect
from qr.measure.schema import IMAGES
from qr.present import style, write
from qr.present.labels import variant
from qr.present.names import FIGURES
from support import metrics as fixture
from support.paths import ROOT

MODELS = ("bmshj2018-factorized", "mbt2018")


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return fixture.write_metrics(folder, models=MODELS, qualities=(1, 2, 4), seeds=(0, 1))


def draw(folder, name):
    with style.applied():
        return write.figure(name, Metrics(folder))


def lines_of(where, **look):
    """All drawn lines of a figure or a panel that have these properties."""
    panels = where.axes if isinstance(where, Figure) else [where]
    found = [line for ax in panels for line in ax.lines]
    return [x for x in found if all(getattr(x, f"get_{k}")() == v for k, v in look.items())]


def test_every_figure_is_written_as_png_and_pdf(metrics, tmp_path):
    written = write.write_figures(metrics, tmp_path)
    names = sorted(f"{name}.{kind}" for name in FIGURES for kind in ("png", "pdf"))
    assert sorted(p.name for p in written) == names == sorted(p.name for p in tmp_path.iterdir())
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as image:
            assert image.width >= 700
            assert "Software" not in image.info
    for path in tmp_path.glob("*.pdf"):
        content = path.read_bytes()
        assert content.startswith(b"%PDF") and b"/Type3" not in content
        assert b"CreationDate" not in content and b"Matplotlib" not in content


@pytest.mark.parametrize("name", ["rd_psnr", "alpha_exploration"])
def test_figures_repeat_byte_for_byte_whatever_the_environment(metrics, tmp_path, name):
    here, there = tmp_path / "here", tmp_path / "there"
    write.write_figures(metrics, here, only=name)
    settings = tmp_path / "matplotlibrc"
    settings.write_text("lines.linewidth: 9\nfont.size: 20\npdf.fonttype: 3\n")
    code = (
        "import sys; from qr.present import write;"
        f"write.write_figures(sys.argv[1], sys.argv[2], only={name!r})"
    )
    environment = os.environ | {
        "PYTHONHASHSEED": "77",
        "MATPLOTLIBRC": str(settings),
        "TZ": "Asia/Tokyo",
    }
    command = [sys.executable, "-c", code, metrics, there]
    subprocess.run(command, check=True, env=environment)
    for kind in ("png", "pdf"):
        assert (here / f"{name}.{kind}").read_bytes() == (there / f"{name}.{kind}").read_bytes()


def test_drawing_leaves_the_users_settings_alone(metrics, tmp_path):
    import matplotlib as mpl

    with mpl.rc_context({"lines.linewidth": 7}):
        write.write_figures(metrics, tmp_path, only="quantization_error")
        assert mpl.rcParams["lines.linewidth"] == 7


def test_unknown_figure(metrics, tmp_path):
    with pytest.raises(ResultsError, match="unknown figure 'pie'; known are: alpha_exploration"):
        write.write_figures(metrics, tmp_path, only="pie")


def test_the_gain_panel_shows_the_known_gains(metrics):
    figure = draw(metrics, "rd_psnr")
    rd, gain = figure.axes[0], figure.axes[len(MODELS)]
    assert rd.get_title() == "Factorized" and "gain" in gain.get_ylabel()
    by_colour = {c[0].get_color(): c[0] for c in gain.containers}
    assert len(gain.containers) == 3  # centroid, decoder, qr: not baseline, not original
    qr = by_colour[style.variant("qr")["color"]]
    known = [fixture.gain("qr", q) for q in (1, 2, 4)]
    assert qr.get_ydata() == pytest.approx(known)
    low, high = gain.get_ylim()
    # The centroid is too far away to be drawn beside the others: its gain is written at the edge.
    assert fixture.gain("centroid", 1) < low < 0 and high > fixture.gain("qr", 4)
    beyond = [text.get_text().replace("−", "-").strip(" ▼") for text in gain.texts]
    known = [fixture.gain("centroid", q) for q in (1, 2, 4)]
    assert list(map(float, beyond)) == pytest.approx(known, abs=0.006)


def test_a_gain_at_the_very_edge_is_written_too(tmp_path):
    """A mark there would be cut in half."""
    folder = fixture.write_metrics(tmp_path, models=MODELS[:1], metrics=["mse"])
    low = draw(folder, "rd_psnr").axes[1].get_ylim()[0]

    def lowered(table):
        ours = table["variant"] == "centroid"
        if "image" in table:
            table.loc[ours, "psnr_db"] += 0.99 * low - fixture.gain("centroid", 1)
        return table

    panel = rewritten(folder, "rd_psnr", lowered).axes[1]
    assert panel.get_ylim()[0] == pytest.approx(low)
    lines = {c[0].get_color(): c[0] for c in panel.containers}
    drawn = lines[style.variant("centroid")["color"]].get_ydata()
    assert np.isnan(drawn[0]) and panel.texts[0].get_text() == f"▼ {0.99 * low:+.2f}".replace(
        "-", "−"
    )


def test_rd_panel_shows_every_variant_and_its_points(metrics):
    figure = draw(metrics, "rd_psnr")
    for name in fixture.VARIANTS:
        (curve,) = lines_of(figure.axes[0], **style.variant(name))
        assert len(curve.get_xdata()) == 3


def test_published_curves_are_drawn_only_where_the_test_set_is_kodak(metrics, tmp_path):
    assert len(lines_of(draw(metrics, "rd_psnr"), color=style.GREY)) == 3 * len(MODELS)
    assert len(lines_of(draw(metrics, "rd_ms_ssim"), color=style.GREY)) == 3 * len(MODELS)
    some = fixture.write_metrics(tmp_path, models=["mbt2018"], names=fixture.KODAK[:6])
    assert not lines_of(draw(some, "rd_psnr"), color=style.GREY)


def test_anchors_are_drawn_and_may_be_missing(metrics, tmp_path):
    labels = [t.get_text() for t in draw(metrics, "rd_psnr").legends[0].get_texts()]
    assert {"JPEG 4:4:4", "JPEG 4:2:0", "JPEG 2000", "WebP", "AVIF"} <= set(labels)
    bare = fixture.write_metrics(tmp_path, models=["mbt2018"], without=["anchors"])
    labels = [t.get_text() for t in draw(bare, "rd_psnr").legends[0].get_texts()]
    assert "AVIF" not in labels and "QR" in labels


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "run",
    [
        {"models": MODELS, "qualities": (1, 2, 4)},
        {"models": ("mbt2018",), "qualities": (3,), "names": ("a.png", "b.png")},
        {"models": (*fixture.MODELS, "my-codec"), "qualities": (1,), "names": ("a.png",)},
        {
            "models": ("mbt2018",),
            "variants": (*fixture.VARIANTS, "qr-hyper", "mine", "b", "c", "d"),
        },
    ],
    ids=["usual", "one-quality", "one-image", "many-variants"],
)
def test_legends_cover_no_panel_and_nothing_is_cut_off(tmp_path, name, run):
    variants = (*run.get("variants", fixture.VARIANTS), *fixture.SPECIAL.get(name, ()))
    figure = draw(fixture.write_metrics(tmp_path, **run | {"variants": variants}), name)
    FigureCanvasAgg(figure).draw()
    renderer = figure.canvas.get_renderer()
    legend = figure.legends[0].get_window_extent(renderer)
    page = figure.bbox
    for ax in figure.axes:
        box = ax.get_tightbbox(renderer)
        assert not legend.overlaps(box)
        assert box.width > 50 and box.height > 50
        for inner, outer in ((box, page), (legend, page)):
            assert inner.x0 >= outer.x0 - 1 and inner.x1 <= outer.x1 + 1
            assert inner.y0 >= outer.y0 - 1 and inner.y1 <= outer.y1 + 1


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("version", ["cpu-v1", "cpu-v2", "cpu-v2-long", "cpu-v2-points"])
def test_tick_labels_of_the_committed_figures_stand_apart(version, name):
    with style.applied():  # drawn within it, too: tick labels are made only then
        figure = write.figure(name, Metrics(ROOT / "results" / version / "metrics").of_decoders())
        FigureCanvasAgg(figure).draw()
    renderer = figure.canvas.get_renderer()
    for axis in (ax.xaxis for ax in figure.axes if ax.axison):
        low, high = sorted(axis.get_view_interval())
        texts = [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
        boxes = [text.get_window_extent(renderer) for text in texts if text.get_visible()]
        edges = sorted((box.x0, box.x1) for box in boxes)
        assert all(right[0] - left[1] > 5 for left, right in pairwise(edges))  # pixels: a space


def test_titles_of_the_exploration_stand_side_by_side(tmp_path):
    folder = fixture.write_metrics(tmp_path, models=fixture.MODELS, metrics=("mse",))
    table = pd.read_csv(folder / "exploration.csv")
    others = (("decoder", 1e-3), ("qr-picture-lite", 2e-3))
    more = [table.assign(variant=name, learning_rate=rate) for name, rate in others]
    write_csv(pd.concat([table, *more]), folder / "exploration.csv")
    figure = draw(folder, "alpha_exploration")
    FigureCanvasAgg(figure).draw()
    boxes = [ax.title.get_window_extent(figure.canvas.get_renderer()) for ax in figure.axes]
    assert len(boxes) == 3 * len(fixture.MODELS)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def usual(folder, name):
    """Metrics of a run that has what the figure of that name is about."""
    variants = (*fixture.VARIANTS, *fixture.SPECIAL.get(name, ()))
    return fixture.write_metrics(folder, models=MODELS, variants=variants)


def rewritten(folder, name, change):
    """Metrics whose images.csv and training.csv `change` went over."""
    for file in ("images", "training"):
        table = change(pd.read_csv(folder / f"{file}.csv"))
        write_csv(table.astype({"seed": "Int64"}), folder / f"{file}.csv")
    images = collect.read(folder / "images.csv", IMAGES)
    write_csv(collect.summarise(images), folder / "summary.csv")
    return draw(folder, name)


@pytest.mark.parametrize("name", FIGURES)
def test_codecs_may_have_other_qualities_and_metrics_other_variants(tmp_path, name):
    def uneven(table):
        other = (table["model"] == "mbt2018") & table["quality"].isin([1, 2])
        ours = (table["model"] != "mbt2018") & table["quality"].isin([3, 4])
        untrained = (table["metric"] == "ms-ssim") & table["variant"].isin(["decoder", "qr"])
        return table[~other & ~ours & ~untrained]

    assert rewritten(usual(tmp_path, name), name, uneven).axes


@pytest.mark.parametrize("name", FIGURES)
def test_a_perfect_picture_spoils_no_figure(tmp_path, name):
    def perfect(table):
        if "image" in table:
            exact = (table["image"] == fixture.KODAK[0]) & (table["quality"] == 4)
            table.loc[exact, "psnr_db"] = np.inf
        return table

    assert rewritten(usual(tmp_path, name), name, perfect).axes


def test_a_classical_codec_that_is_perfect_somewhere_spoils_no_figure(tmp_path):
    folder = usual(tmp_path, "rd_psnr")
    table = pd.read_csv(folder / "anchors.csv")
    table.loc[table["image"] == table["image"].iloc[0], "psnr_db"] = np.inf
    table.to_csv(folder / "anchors.csv", index=False)
    assert draw(folder, "rd_psnr").axes


def test_ablations_at_some_qualities_are_no_curve(tmp_path):
    folder = fixture.write_metrics(tmp_path, models=MODELS, variants=(*fixture.VARIANTS, "qr-next"))
    figure = rewritten(
        folder, "rd_psnr", lambda t: t[(t["variant"] != "qr-next") | (t["quality"] == 4)]
    )
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "QR" in shown and variant("qr-next") not in shown


def test_what_was_not_run_is_said_on_the_figure(tmp_path):
    folder = fixture.write_metrics(
        tmp_path, models=["mbt2018"], metrics=["mse"], variants=["baseline", "decoder"],
        without=["training", "exploration"],
    )  # fmt: skip
    for name, words in {
        "alpha_exploration": "Nothing was explored",
        "rd_ms_ssim": "No codec of this run has MS-SSIM",
        "quantization_error": "No variant of this run changes the latent",
        "training": "Nothing was trained",
        "own_gain": "No variant of this run was both compared and timed",
        "error_and_quality": "No trained rectifier of this run",
        "distances": "No variant of this run names a feature distance",
    }.items():
        figure = draw(folder, name)
        assert not figure.axes and words in figure.texts[0].get_text()
    assert draw(folder, "rd_psnr").axes


def test_images_too_small_for_ms_ssim(tmp_path):
    names = ("a.png", "b.png", "c.png")
    folder = fixture.write_metrics(
        tmp_path / "some", models=["mbt2018"], names=names, small=["b.png"]
    )
    assert draw(folder, "rd_ms_ssim").axes
    folder = fixture.write_metrics(tmp_path / "all", models=["mbt2018"], names=names, small=names)
    assert not draw(folder, "rd_ms_ssim").axes


def test_alpha_exploration_emphasises_the_chosen_one(metrics):
    figure = draw(metrics, "alpha_exploration")
    assert len(figure.axes) == len(MODELS) * 2
    for ax in figure.axes:
        assert "quality 4: α = 0.01" in ax.get_title()
        thick = [line for line in ax.lines if line.get_linewidth() > 2]
        assert len(ax.lines) == 4 and len(thick) == 1
        best = max(ax.lines, key=lambda line: line.get_ydata()[-1])
        assert best is thick[0]
        assert list(best.get_xdata()) == list(range(10))


def test_quantization_error_is_the_known_change(metrics):
    figure = draw(metrics, "quantization_error")
    for line in lines_of(figure, color=style.variant("centroid")["color"]):
        assert line.get_ydata() == pytest.approx([-6.0] * 3)
    assert not lines_of(figure, color=style.variant("decoder")["color"])


def test_training_shows_losses_and_the_change_of_each_variant_at_one_quality(metrics):
    figure = draw(metrics, "training")
    assert len(figure.axes) == 2 * 4 * len(MODELS)
    panel, below = [ax for ax in figure.axes if "predictive" in ax.get_ylabel()][:2]
    qr = next(x for x in panel.lines if x.get_color() == style.variant("qr")["color"])
    assert "quality 4" in panel.get_ylabel()
    # Over the control at the same step.
    own = (fixture.gain("qr", 4) - fixture.gain("decoder", 4)) * (1 - 0.6**10)
    assert qr.get_ydata()[-1] == pytest.approx(own - fixture.WARM * 0.6**10)
    assert qr.get_ydata()[0] == pytest.approx(-fixture.WARM)
    qr = next(x for x in below.lines if x.get_color() == style.variant("qr")["color"])
    assert list(qr.get_ydata()) == pytest.approx([-2.5] * 11)


def test_panels_show_the_same_quality_where_several_have_as_many_variants():
    """The ablations, for MSE at quality 1, decide for MS-SSIM, too, which has none."""
    rows = [("mse", 1, "qr-hyper"), *((m, q, "qr") for m in ("mse", "ms-ssim") for q in (1, 4))]
    table = pd.DataFrame(rows, columns=["metric", "quality", "variant"]).assign(model="mbt2018")
    shown = comparable(table)
    assert set(zip(shown["metric"], shown["quality"], strict=True)) == {("mse", 1), ("ms-ssim", 1)}
    alone = comparable(table[table["metric"] == "ms-ssim"])
    assert set(alone["quality"]) == {4}


def test_a_grey_print_keeps_the_variants_apart(metrics):
    # Markers differ, so that a reader without colours can still tell curves apart.
    figure = draw(metrics, "rd_psnr")
    handles = figure.legends[0].legend_handles
    markers = [h.get_marker() for h in handles if h.get_marker() not in ("None", None, "")]
    assert len(markers) == len(set(markers)) == 5


def test_own_gain_is_drawn_against_each_cost(metrics):
    figure = draw(metrics, "own_gain")
    assert len(figure.axes) == 3 * len(MODELS)
    costs, nothing = (1.5, 0.0, 4 / 3), (0, 0, 1)
    for ax, cost, least in zip(figure.axes[:: len(MODELS)], costs, nothing, strict=True):
        assert ax.get_xlim()[0] <= least  # what the control costs is in view
        (bar,) = ax.containers  # qr alone: the centroid is not trained
        assert bar[0].get_ydata() == pytest.approx(
            fixture.gain("qr", 4) - fixture.gain("decoder", 4)
        )
        assert bar[0].get_xdata() == pytest.approx(cost, rel=1e-3)


def test_own_gain_is_that_of_the_metric_that_was_timed(metrics, tmp_path):
    folder = fixture.write_metrics(tmp_path, models=MODELS, qualities=(4,))
    images = pd.read_csv(folder / "images.csv")
    other = (images["metric"] == "ms-ssim") & (images["variant"] == "qr")
    images.loc[other, "ms_ssim_db"] += 1
    images.to_csv(folder / "images.csv", index=False)
    figure = draw(folder, "own_gain")
    assert "PSNR" in figure.axes[0].get_ylabel()
    (bar,) = figure.axes[0].containers
    assert bar[0].get_ydata() == pytest.approx(fixture.gain("qr", 4) - fixture.gain("decoder", 4))


def test_gains_that_are_all_zero_have_an_axis_that_can_be_read(tmp_path, monkeypatch):
    monkeypatch.setitem(fixture.GAIN, "qr", fixture.GAIN["decoder"])
    figure = draw(fixture.write_metrics(tmp_path, models=MODELS), "own_gain")
    for ax in figure.axes:
        low, high = ax.get_ylim()
        assert low <= -1e-3 and high >= 1e-3


def test_a_bound_is_in_no_figure(tmp_path, monkeypatch):
    """It would be the highest curve, and all of the quantization error."""
    with_bound = (*fixture.VARIANTS, "ceiling")
    folder = fixture.write_metrics(tmp_path, models=MODELS, variants=with_bound)
    drawn = []
    monkeypatch.setattr(style, "save", lambda figure, path: drawn.append(figure) or [])
    write.write_figures(folder, tmp_path)
    legends = [text.get_text() for f in drawn for box in f.legends for text in box.get_texts()]
    assert variants.label("qr") in legends and variants.label("ceiling") not in legends
    assert Metrics(folder).images["variant"].nunique() == len(with_bound)


def test_every_image_is_a_point_of_error_and_quality(metrics):
    figure = draw(metrics, "error_and_quality")
    points, mean = (line for line in figure.axes[0].lines if line.get_linestyle() == "None")
    assert figure.axes[0].get_title().endswith("quality 4")
    assert len(points.get_xdata()) == len(fixture.KODAK)
    assert mean.get_xdata() == pytest.approx(-fixture.ERROR_REDUCTION["qr"])
    own = fixture.gain("qr", 4) - fixture.gain("decoder", 4)
    assert mean.get_ydata() == pytest.approx(own)


def test_the_forest_shows_the_known_mean_gains_over_the_codec_and_over_the_control(metrics):
    figure = draw(metrics, "forest")
    means = {
        name: np.mean([fixture.gain(name, quality) for quality in (1, 2, 4)])
        for name in ("decoder", "qr")
    }
    above, below = figure.axes[: len(figure.axes) // 2], figure.axes[len(figure.axes) // 2 :]
    for axes, names, subtracted in ((above, ["decoder", "qr"], None), (below, ["qr"], "decoder")):
        assert [t.get_text() for t in axes[0].get_yticklabels()] == [variant(n) for n in names]
        for ax in axes:
            for place, name in enumerate(names):
                known = means[name] - means.get(subtracted, 0)
                (mark,) = lines_of(ax, marker=style.variant(name)["marker"])
                assert mark.get_xydata().tolist() == [[pytest.approx(known, abs=1e-6), place]]
    for ax in above:
        (dashed,) = lines_of(ax, linestyle="--", color=style.GREY)
        assert dashed.get_xdata()[0] == pytest.approx(means["decoder"], abs=1e-6)
    assert not [line for ax in below for line in lines_of(ax, linestyle="--")]


@pytest.mark.parametrize(("name", "panels"), [("forest", 2), ("own_gain", 3)])
@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_marks_are_hollow_where_there_was_one_training(tmp_path, seeds, name, panels):
    figure = draw(fixture.write_metrics(tmp_path, models=("mbt2018",), seeds=seeds), name)
    marks = [lines_of(ax, marker=style.variant("qr")["marker"]) for ax in figure.axes]
    fill = "white" if len(seeds) == 1 else style.variant("qr")["color"]
    assert [mark.get_markerfacecolor() for found in marks for mark in found] == [fill] * panels
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert ("trained once" in told) == (len(seeds) == 1)


def test_the_forest_has_no_own_gain_of_what_was_trained_on_noise(tmp_path):
    variants = ("baseline", "decoder", "decoder-noisy", "qr")
    folder = fixture.write_metrics(tmp_path, models=("mbt2018",), variants=variants)
    above, below = draw(folder, "forest").axes
    names = ([t.get_text() for t in ax.get_yticklabels()] for ax in (above, below))
    assert next(names) == [variant("decoder"), variant("decoder-noisy"), variant("qr")]
    assert next(names) == [variant("qr")]
