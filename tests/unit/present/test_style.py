"""Every variant has a look of its own, the same wherever it is drawn."""

import runpy
from itertools import combinations

import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from qr.analyse.metrics import Metrics
from qr.decoders import variants
from qr.present import style, write
from qr.present.report.chart import decoders, variant_look
from qr.present.report.charts import quantization_error
from support import metrics as fixture

# Read anew: other tests register variants of their own.
OURS = list(runpy.run_path(variants.__file__)["_VARIANTS"])
USERS = ("mine", "qr-smoothing", "b", "c", "d")


def of(look):
    """What tells variants apart without their lines, which figures of points have not."""
    return look["color"], look["marker"]


@pytest.mark.parametrize("one, other", list(combinations(OURS, 2)))
def test_no_two_of_our_variants_share_colour_and_mark(one, other):
    assert of(style.variant(one)) != of(style.variant(other))
    charted = [variant_look(name) for name in (one, other)]
    for ground in (0, 1):
        marks = [(look["colours"][ground], look["symbol"]) for look in charted]
        assert marks[0] != marks[1]


def test_what_is_drawn_together_most_often_differs_in_colour_and_in_mark():
    together = ("original", "baseline", "centroid", "decoder", "qr")
    together += ("qr-picture", "qr-picture-lite")
    looks = [style.variant(name) for name in together]
    for what in ("color", "marker"):
        assert len({look[what] for look in looks}) == len(together)


def test_colours_are_seen_on_paper_and_on_a_dark_ground():
    """Orange and sky blue have a contrast of little more than two to one on white."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for name in (*OURS, *USERS):
        for ground, colour in zip(("white", "#14161a"), variant_look(name)["colours"], strict=True):
            dark, light = sorted(luminance(to_rgb(c)) for c in (ground, colour))
            assert (light + 0.05) / (dark + 0.05) > 2, name


@pytest.mark.parametrize("name", USERS)
def test_a_users_variant_looks_like_none_of_ours_whoever_is_beside_it(name, tmp_path):
    assert of(style.variant(name)) not in {of(style.variant(ours)) for ours in OURS}
    runs = [("baseline", name), ("baseline", "decoder", "qr", *USERS)]
    folders = [tmp_path / str(len(run)) for run in runs]
    for folder, run in zip(folders, runs, strict=True):
        one = {"models": ["mbt2018"], "metrics": ["mse"], "qualities": [1], "variants": run}
        fixture.write_metrics(folder, **one)
    alone, among = (style.of_run(Metrics(folder))[name] for folder in folders)
    assert alone == among


def test_figure_chart_and_legend_agree(tmp_path):
    run = {"models": ["mbt2018"], "variants": (*fixture.VARIANTS, "qr-picture", "mine")}
    metrics = Metrics(fixture.write_metrics(tmp_path, **run))
    figure = write.figure("quantization_error", metrics)
    drawn = {(line.get_color(), line.get_label()) for line in figure.legends[0].legend_handles}
    chart = quantization_error.chart(metrics)
    charted = {(trace["colours"][0], trace["name"]) for trace in chart.traces}
    (control,) = (control for control in chart.controls if control.tag == "variant")
    offered = {(option.colours[0], option.label) for option in control.options}
    assert drawn == charted == offered


def test_samples_show_the_mark():
    options = decoders(pd.Series(OURS)).options
    assert len({(option.colours, option.mark) for option in options}) == len(OURS)
    shapes = {option.value: option.mark for option in options}
    assert shapes["decoder"] == "M-0.5 0.5L0.5 0.5L0.5 -0.5L-0.5 -0.5Z"  # a square
    assert shapes["centroid"] == "M0 -0.5L-0.5 0.5L0.5 0.5Z"  # its tip above
