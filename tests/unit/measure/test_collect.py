"""Collecting parts: nothing incomplete gets through, and the order of the parts does not matter."""

import math
import random
import subprocess
import sys

import pandas as pd
import pytest

from qr import files
from qr.analyse.metrics import over_seeds
from qr.errors import ResultsError
from qr.files import write_csv, write_text
from qr.measure import collect
from qr.measure.schema import ANCHORS, EXPLORATION, IMAGES, SCHEMAS, SUMMARY, TRAINING
from support import metrics as fixture

SMALL = {"models": ["mbt2018", "bmshj2018-factorized"], "metrics": ["mse"], "qualities": [1, 2]}


@pytest.fixture
def table():
    names = ["b.png", "a.png"]
    variants = ["baseline", "decoder", "qr"]
    return fixture.images(**SMALL, variants=variants, seeds=[0, 1], names=names)


def write_parts(table, folder, by):
    parts = []
    for number, (_, rows) in enumerate(table.groupby(by, sort=False)):
        parts.append(folder / f"{number}.csv")
        write_csv(rows, parts[-1])
    return parts


def test_columns_are_those_of_the_contract_and_all_are_described():
    rate_and_quality = ["bpp", "psnr_db", "ms_ssim", "ms_ssim_db"]
    assert set(IMAGES.columns) >= {*IMAGES.key, "bytes", *rate_and_quality, "quantization_error"}
    assert set(SUMMARY.columns) - set(IMAGES.columns) == {"images", "ms_ssim_db_mean"}
    gone = {"image", "width", "height", "bytes"}
    assert set(IMAGES.columns) - set(SUMMARY.columns) == gone | {"arithmetic"}
    assert set(ANCHORS.columns) >= {"codec", "setting", "version", *gone, *rate_and_quality}
    assert set(EXPLORATION.columns) >= {"trial", "alpha", "phase", "epoch", "stop_reason", "chosen"}
    assert set(TRAINING.columns) >= {"phase", "step", "split", "loss", "learning_rate", "seconds"}
    for schema in SCHEMAS.values():
        assert set(schema.key) | schema.optional <= set(schema.columns)
        assert all(schema.columns.values())


def test_order_of_parts_does_not_matter_and_that_of_names_is_given(table, tmp_path):
    order = {
        "model": ["mbt2018", "bmshj2018-factorized"],
        "metric": ["mse"],
        "variant": ["qr", "baseline", "decoder"],
    }
    parts = write_parts(table, tmp_path, ["model", "variant", "image"])
    collected = collect.collect(parts, IMAGES, order)
    random.Random(1).shuffle(parts)
    pd.testing.assert_frame_equal(collected, collect.collect(parts, IMAGES, order))
    assert list(collected["model"].unique()) == ["mbt2018", "bmshj2018-factorized"]
    assert list(collected["variant"].unique()) == ["qr", "baseline", "decoder"]
    first = collected[["quality", "variant", "seed", "image"]].head(5).values.tolist()
    assert first[:4] == [[1, "qr", s, f"{i}.png"] for s in (0, 1) for i in "ab"]
    assert first[4][1] == "baseline" and first[4][2] is pd.NA


def test_reading_what_was_written_changes_nothing(table, tmp_path):
    once, twice = tmp_path / "once.csv", tmp_path / "twice.csv"
    write_csv(table, once)
    write_csv(collect.collect([once], IMAGES), twice)
    write_csv(collect.collect([twice], IMAGES), tmp_path / "thrice.csv")
    assert twice.read_bytes() == (tmp_path / "thrice.csv").read_bytes()
    assert b"\r" not in twice.read_bytes()
    assert sorted(once.read_text().splitlines()) == sorted(twice.read_text().splitlines())


def test_names_that_look_like_something_else_stay_names(table, tmp_path):
    strange = ["NA", "007", "nan", "1e5", 'naïve,"q".png', "null"]
    table = fixture.images(**SMALL, variants=["baseline"], seeds=[0], names=strange)
    write_csv(table, tmp_path / "p.csv")
    assert set(collect.collect([tmp_path / "p.csv"], IMAGES)["image"]) == set(strange)


def test_settings_are_sorted_as_numbers(tmp_path):
    anchors = fixture.anchors(["a.png"]).iloc[::-1].assign(version="10.0")
    anchors["setting"] = anchors["setting"].replace(10, 100)
    write_csv(anchors, tmp_path / "p.csv")
    collected = collect.collect([tmp_path / "p.csv"], ANCHORS, {"codec": ["avif", "webp"]})
    assert list(collected["codec"].unique()) == ["avif", "webp", "jpeg-420", "jpeg-444", "jpeg2000"]
    assert list(collected["setting"])[:5] == [30, 50, 70, 90, 100]
    assert set(collected["version"]) == {"10.0"}


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda t: t.drop(columns="bpp"), "column 'bpp' is missing"),
        (lambda t: t.assign(speed=1), "column 'speed' is unknown"),
        (lambda t: t.assign(psnr_db=t["psnr_db"].where(t.index != 3)), "NaN in line 5"),
        (lambda t: t.assign(psnr_db="high"), "'psnr_db' holds something"),
        (lambda t: t.assign(quality=1.5), "'quality' must hold whole numbers"),
        (lambda t: t.assign(image=None), "'image' is empty or NaN in line 2"),
        (lambda t: t.iloc[:0], "has a header but no row"),
    ],
)
def test_a_spoilt_part_is_named_with_its_column(table, tmp_path, spoil, expected):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    write_csv(table, good)
    write_csv(spoil(table), bad)
    with pytest.raises(ResultsError, match=r"bad\.csv") as error:
        collect.collect([good, bad], IMAGES)
    assert expected in str(error.value)


def test_files_that_are_no_tables(table, tmp_path):
    empty, binary = tmp_path / "empty.csv", tmp_path / "binary.csv"
    empty.write_bytes(b"")
    binary.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    for path in (empty, binary, tmp_path / "absent.csv", tmp_path):
        with pytest.raises(ResultsError, match=path.name):
            collect.collect([path], IMAGES)
    with pytest.raises(ResultsError, match="no parts"):
        collect.collect([], IMAGES)


def test_a_row_that_comes_twice_names_row_and_files(table, tmp_path):
    one, two = write_parts(table, tmp_path, "model")
    repeated = tmp_path / "again.csv"
    write_csv(table.iloc[:1], repeated)
    with pytest.raises(ResultsError, match="comes twice") as error:
        collect.collect([one, two, repeated], IMAGES)
    for expected in ("variant=baseline", "image=b.png", "0.csv", "again.csv"):
        assert expected in str(error.value)
    assert "1.csv" not in str(error.value)


def test_optional_cells_may_be_empty(table, tmp_path):
    write_csv(table.assign(ms_ssim=math.nan, ms_ssim_db=math.nan), tmp_path / "p.csv")
    collected = collect.collect([tmp_path / "p.csv"], IMAGES)
    assert collected["ms_ssim"].isna().all()
    assert collected.loc[collected["variant"] == "baseline", "seed"].isna().all()


def test_a_derived_choice_has_no_loss_but_a_tried_one_must(tmp_path):
    table = fixture.exploration(["mbt2018"], ["ms-ssim"]).assign(loss=math.nan)
    write_csv(table.assign(strategy="derived"), tmp_path / "derived.csv")
    write_csv(table, tmp_path / "tried.csv")
    assert collect.collect([tmp_path / "derived.csv"], EXPLORATION)["loss"].isna().all()
    with pytest.raises(ResultsError, match="'loss' is empty or NaN"):
        collect.collect([tmp_path / "tried.csv"], EXPLORATION)


def test_summary_is_the_mean_of_the_images():
    names = ["a.png", "b.png", "c.png"]
    table = fixture.images(
        **SMALL, variants=["baseline", "qr"], seeds=[0, 1], names=names, small=["c.png"]
    )
    summary = collect.summarise(table)
    assert list(summary.columns) == list(SUMMARY.columns)
    assert len(summary) == 2 * 2 * 3  # models, qualities, baseline and two seeds of qr
    row = summary[
        (summary["model"] == "mbt2018") & (summary["quality"] == 2) & (summary["seed"] == 1)
    ]
    rows = [
        r
        for r in table.to_dict("records")
        if (r["model"], r["quality"], r["variant"]) == ("mbt2018", 2, "qr") and r["seed"] == 1
    ]
    assert row["images"].item() == 3
    assert row["psnr_db"].item() == pytest.approx(sum(r["psnr_db"] for r in rows) / 3)
    ms_ssim = sum(r["ms_ssim"] for r in rows[:2]) / 2  # the third has none
    assert row["ms_ssim"].item() == pytest.approx(ms_ssim)
    assert row["ms_ssim_db"].item() == pytest.approx(-10 * math.log10(1 - ms_ssim))
    per_image = sum(-10 * math.log10(1 - r["ms_ssim"]) for r in rows[:2]) / 2
    assert row["ms_ssim_db_mean"].item() == pytest.approx(per_image)


def test_variants_that_cannot_be_compared_are_refused():
    table = fixture.images(**SMALL, variants=["baseline", "qr"], seeds=[0], names=["a", "b"])
    gone = (table["variant"] == "qr") & (table["image"] == "b") & (table["model"] == "mbt2018")
    with pytest.raises(ResultsError, match=r"mbt2018, mse, quality 1: image 'b' has fewer rows"):
        collect.summarise(table[~gone])
    other = table["bytes"].where(table["variant"] == "baseline", table["bytes"] + 1)
    with pytest.raises(ResultsError, match="bitstreams of different sizes for image 'a'"):
        collect.summarise(table.assign(bytes=other))


def test_the_original_may_have_bitstreams_of_its_own():
    table = fixture.images(**SMALL, variants=["original", "baseline"], seeds=[0], names=["a"])
    assert collect.summarise(table)["bpp"].nunique() == 4


def test_over_seeds_averages_and_counts_seeds():
    table = fixture.images(**SMALL, variants=["baseline", "qr"], seeds=[0, 1, 2], names=["a", "b"])
    mean = over_seeds(collect.summarise(table))
    assert len(mean) == 2 * 2 * 2
    assert dict(zip(mean["variant"], mean["seeds"], strict=True)) == {"baseline": 0, "qr": 3}


def test_an_output_folder_that_cannot_be_written(table, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot write"):
        write_csv(table, tmp_path / "file" / "images.csv")


def test_a_failed_write_leaves_the_old_file(table, tmp_path, monkeypatch):
    path = tmp_path / "images.csv"
    write_text("old", path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "replace", full)
    with pytest.raises(ResultsError, match="No space left on device"):
        write_csv(table, path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["images.csv"]


def test_names_are_listed_without_pandas_and_nothing_needs_torch():
    code = (
        "import sys; from qr.present.names import FIGURES, TABLES; assert FIGURES and TABLES;"
        "assert not {'pandas', 'matplotlib', 'numpy', 'torch'} & set(sys.modules);"
        "import qr.present.write, qr.archive.export;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ms_ssim_choices_are_derived_from_the_mse_ones():
    chosen = {"model": "mbt2018", "metric": "mse", "quality": 4, "variant": "qr", "trial": 2}
    rows = [
        chosen | {"alpha": 0.1, "phase": "predictive", "epoch": 0, "loss": 1.0, "chosen": True},
        chosen | {"alpha": 1.0, "phase": "predictive", "epoch": 0, "trial": 1, "chosen": False},
    ]
    exploration = pd.DataFrame(rows, columns=list(EXPLORATION.columns))
    table = collect.with_derived(exploration, 0.1)
    derived = table[table["strategy"] == "derived"]
    assert len(table) == 3
    assert derived[["metric", "chosen"]].to_numpy().tolist() == [["ms-ssim", True]]
    assert derived["alpha"].to_list() == [pytest.approx(0.01)]
