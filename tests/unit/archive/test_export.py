"""CompressAI's own plotting draws our files; its published points are there for comparison."""

import csv
import importlib.util
import json
import math
import os
import subprocess
import sys

import pytest

from qr.analyse import anchors
from qr.archive.export import write_compressai
from qr.errors import ResultsError
from support import metrics as fixture


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    fixture.write_metrics(folder, models=["mbt2018"], qualities=(1, 2, 4), seeds=(0, 1))
    return folder, write_compressai(folder / "summary.csv", folder / "compressai")


def test_one_file_for_each_decoder_with_the_summary_inside(exported):
    folder, written = exported
    assert len(written) == 2 * len(fixture.VARIANTS)
    document = json.loads((folder / "compressai" / "mbt2018_mse_qr.json").read_text())
    assert document["name"] == "mbt2018 mse qr" and "24 images" in document["description"]
    with (folder / "summary.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if (r["metric"], r["variant"]) == ("mse", "qr")]
    results = document["results"]
    for theirs, ours in {"psnr-rgb": "psnr_db", "ms-ssim-rgb": "ms_ssim", "bpp": "bpp"}.items():
        for i, quality in enumerate("124"):
            values = [float(r[ours]) for r in rows if r["quality"] == quality]
            assert len(values) == 2 and results[theirs][i] == pytest.approx(sum(values) / 2)
    assert results["bpp"] == sorted(results["bpp"])
    assert results["encoding_time"] == [0.2] * 3 and results["decoding_time"] == [0.17] * 3


def test_images_without_ms_ssim_leave_it_out(tmp_path):
    names = ["a.png", "b.png"]
    folder = fixture.write_metrics(tmp_path, models=["mbt2018"], names=names, small=names)
    for path in write_compressai(folder / "summary.csv", tmp_path / "out"):
        text = path.read_text()
        assert "NaN" not in text and "ms-ssim-rgb" not in json.loads(text)["results"]


def test_a_missing_summary_is_named(tmp_path):
    with pytest.raises(ResultsError, match=r"summary\.csv"):
        write_compressai(tmp_path / "summary.csv", tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("compressai") is None, reason="compressai is absent")
def test_compressai_draws_them(exported, tmp_path):
    picture = tmp_path / "rd.png"
    command = [sys.executable, "-m", "compressai.utils.plot", "-o", picture, "-f", *exported[1]]
    subprocess.run(command, check=True, env=os.environ | {"MPLBACKEND": "Agg"})
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(importlib.util.find_spec("compressai") is None, reason="compressai is absent")
def test_compressai_reads_the_ms_ssim_that_we_measured(exported):
    from compressai.utils.plot.__main__ import parse_json_file

    folder, _ = exported
    parsed = parse_json_file(folder / "compressai" / "mbt2018_ms-ssim_baseline.json", "ms-ssim")
    with (folder / "summary.csv").open(newline="") as file:
        rows = [
            r
            for r in csv.DictReader(file)
            if (r["metric"], r["variant"]) == ("ms-ssim", "baseline")
        ]
    assert list(parsed["ys"]) == pytest.approx([float(r["ms_ssim_db"]) for r in rows], abs=1e-6)


def test_published_points_agree_with_the_survey():
    # Field survey, section 3: quality 1 of mbt2018 for MSE, and VTM at QP 37.
    first = anchors.published(["mbt2018"], "mse").iloc[0]
    assert (round(first["bpp"], 3), round(first["psnr_db"], 2)) == (0.111, 28.09)
    assert round(first["ms_ssim_db"], 2) == 11.01
    for metric in ("mse", "ms-ssim"):
        vtm = anchors.published(["vtm"], metric)
        assert (vtm["bpp"].round(3) == 0.246).sum() == 1
    assert len(anchors.published(["mbt2018", *anchors.CLASSICAL], "ms-ssim")) == 8 + 8 + 8
    assert anchors.published(["my-codec"], "mse").empty


def test_the_reference_names_its_sources_and_holds_no_other_projects():
    with anchors.FILE.open() as file:
        rows = list(csv.DictReader(file))
    assert all(r["source_file"].startswith("results/image/kodak/") for r in rows)
    assert not any("@" in r["codec"] or r["codec"].startswith("ext:") for r in rows)
    assert all(math.isfinite(float(r["bpp"])) for r in rows)


def test_kodak_is_known_by_its_names():
    assert anchors.is_kodak(fixture.KODAK)
    assert anchors.is_kodak(f"kodim{n:02}" for n in range(1, 25))
    assert not anchors.is_kodak(fixture.KODAK[:-1])
    assert not anchors.is_kodak([*fixture.KODAK, "lena.png"])
