"""The whole graph, really run at a tiny size."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from qr.measure.schema import SCHEMAS
from qr.present.names import FIGURES, TABLES
from support.paths import ROOT
from support.workspace import PATIENCE

TINY = Path(__file__).with_name("tiny.yaml")
SMOKE = ROOT / "workflow" / "tiers" / "smoke.yaml"
PLAIN = "elic2022-official"  # tiny.yaml's codec to compare with
OVERLAYS = ("--configfile", str(SMOKE), str(TINY))


def run(workspace, *arguments, version="tiny", check=True):
    return workspace.snakemake(
        "--cores", "2", *arguments, *OVERLAYS, "--config", f"version={version}", check=check
    )


@pytest.fixture(scope="module")
def done(shared_workspace):
    """Two independent runs, under two versions."""
    for version in ("tiny", "again"):
        run(shared_workspace, "all", version=version)
    return shared_workspace


def metrics(workspace, kind, version="tiny"):
    return pd.read_csv(workspace.folder / "results" / version / "metrics" / f"{kind}.csv")


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_artifact_exists_and_holds_something(done):
    results = done.folder / "results" / "tiny"
    expected = [f"figures/{n}.{k}" for n in FIGURES for k in ("png", "pdf")]
    expected += [f"tables/{n}.{k}" for n in TABLES for k in ("csv", "md", "tex")]
    expected += [f"metrics/{name}.csv" for name in SCHEMAS]
    expected += ["manifest.json", "metrics.parquet", "ro-crate-metadata.json"]
    expected += ["report.html", "workflow.html"]
    expected += ["pictures/bmshj2018-hyperprior_mse_q2/pictures.json"]
    for name in expected:
        # A table without a row (no photograph of Kodak here) still has its header.
        assert (results / name).stat().st_size > 50, name


def test_each_test_set_has_its_rows_tables_figures_and_report(done):
    results = done.folder / "results" / "tiny"
    other = results / "sets" / "another"
    for kind in ("images", "anchors"):
        first, second = (pd.read_csv(f / "metrics" / f"{kind}.csv") for f in (results, other))
        assert set(first["image"]) == {"chelsea.png", "rocket.jpg"}
        assert set(second["image"]) == {"motorcycle_right.png"}
        assert len(first) == 2 * len(second)
    for name in ("exploration", "training", "runtime"):
        both = [(f / "metrics" / f"{name}.csv").read_bytes() for f in (results, other)]
        assert both[0] == both[1]
    assert {p.stem for p in (other / "figures").iterdir()} == set(FIGURES)
    assert {p.stem for p in (other / "tables").iterdir()} == set(TABLES)
    assert "1 test image" in (other / "report.html").read_text()
    assert (other / "tables/controls.csv").read_bytes() != (
        results / "tables/controls.csv"
    ).read_bytes()
    crate = json.loads((results / "ro-crate-metadata.json").read_text())
    assert any(part["@id"] == "sets/another/tables/controls.csv" for part in crate["@graph"])


def test_two_runs_give_the_same_numbers_but_for_times(done):
    for kind, schema in SCHEMAS.items():
        if kind == "runtime":
            continue
        timeless = [c for c in schema.columns if not c.endswith("_s") and c != "seconds"]
        first, second = (metrics(done, kind, version)[timeless] for version in ("tiny", "again"))
        pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_bits_are_the_size_of_the_files_and_shared_by_all_variants(done):
    images = metrics(done, "images")
    before = images["variant"].eq("original") | images["model"].eq(PLAIN)
    stage = before.map({True: "original", False: "soft"})
    for (kind, model, image), rows in images.groupby([stage, "model", "image"]):
        folder = done.folder / "runs/tiny/encode" / kind / f"{model}_mse_q2/bitstreams"
        size = (folder / f"{Path(image).stem}.qrc").stat().st_size
        assert set(rows["bytes"]) == {size}
        assert rows["bpp"].to_list() == pytest.approx(
            [8 * size / (w * h) for w, h in zip(rows["width"], rows["height"], strict=True)]
        )


def test_rows_are_complete(done):
    images = metrics(done, "images")
    trained, untrained = ["decoder", "qr"], ["original", "baseline", "centroid"]
    plain = images[images["model"] == PLAIN]
    assert set(plain["variant"]) == {"baseline"}
    assert len(plain) == 2
    assert len(images) == 2 * (2 * len(trained) + len(untrained)) + len(plain)
    assert images[images["variant"].isin(untrained)]["seed"].isna().all()
    assert set(images[images["variant"].isin(trained)]["seed"]) == {0, 1}


def test_the_manifest_says_where_the_numbers_come_from(done):
    manifest = json.loads((done.folder / "results/tiny/manifest.json").read_text())
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=done.folder, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert manifest["git_commit"] == commit
    assert manifest["git_dirty"] is False
    assert manifest["data_sha256"]["test"]["images"] == 3
    assert manifest["data_sha256"]["test-another"]["images"] == 1
    assert manifest["steps"]["predictive"]["jobs"] == 4


def test_compressai_draws_the_exported_json(done, tmp_path):
    files = sorted((done.folder / "results/tiny/compressai").glob("*.json"))
    figure = tmp_path / "plot.png"
    command = [sys.executable, "-m", "compressai.utils.plot", "-f", *map(str, files)]
    subprocess.run([*command, "-o", str(figure)], check=True, capture_output=True, timeout=PATIENCE)
    assert figure.stat().st_size > 1000


def test_the_report_shows_this_runs_pictures_and_commit(done):
    results = done.folder / "results" / "tiny"
    page = (results / "report.html").read_text()
    assert json.loads((results / "manifest.json").read_text())["git_commit"] in page
    index = json.loads(next(results.glob("pictures/*/pictures.json")).read_text())
    assert len(index) == 2
    assert [view["variant"] for view in index[0]["views"]] == ["baseline", "decoder", "qr"]
    pictures = [path.read_bytes() for path in results.glob("pictures/*/*.webp")]
    assert all(base64.b64encode(picture).decode() in page for picture in pictures)
    assert len(page) < 25e6


def test_figures_tables_and_report_redraw_identically_from_what_is_committed(done, tmp_path):
    results = done.folder / "results" / "again"
    before = {n: digests(results / n) for n in ("figures", "tables", "sets/another/figures")}
    report = results / "report.html"
    page = report.read_bytes()
    hidden = done.folder / "runs" / "again"
    hidden.rename(tmp_path / "hidden")
    try:
        for name in before:
            for path in (results / name).iterdir():
                path.unlink()
        report.unlink()
        output = run(done, "figures", "tables", "report", version="again").stdout
    finally:
        (tmp_path / "hidden").rename(done.folder / "runs" / "again-hidden")
    assert {n: digests(results / n) for n in before} == before
    assert report.read_bytes() == page
    assert "qr train" not in output


def test_a_finished_version_is_left_alone(done, tmp_path):
    """The same configuration and commit: nothing to do. Another one: refused by name."""
    before = {name: digests(done.folder / "results/tiny" / name) for name in ("metrics", "tables")}
    run(done, "all")
    config = done.folder / "results/tiny/manifest.json"
    sealed = config.read_text()
    changed = tmp_path / "changed.yaml"
    changed.write_text("runtime: {rounds: 7}\n")
    other = done.snakemake("--cores", "2", "all", *OVERLAYS, str(changed), check=False)
    assert other.returncode != 0
    assert "finished" in other.stdout
    assert "another configuration (runtime.rounds)" in other.stdout
    changed.write_text("statistics: {bootstrap: 200}\n")
    report = ("--report", str(tmp_path / "report.html"), "--report-after")  # as argparse takes it
    for options, told in (((), "another statistics.bootstrap"), (report, "is finished: make a")):
        tables = ("tables", "--forcerun", "tabulate", *options)
        other = done.snakemake("--cores", "2", *tables, *OVERLAYS, str(changed), check=False)
        assert other.returncode != 0
        assert told in other.stdout
    done.commit("another commit")
    other = run(done, "all", check=False)
    assert other.returncode != 0
    assert "another commit (" in other.stdout
    assert config.read_text() == sealed
    assert {name: digests(done.folder / "results/tiny" / name) for name in before} == before


def test_a_broken_image_among_good_ones_stops_the_run_before_training(workspace, tmp_path):
    from skimage import data
    from skimage.io import imsave

    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("astronaut", "coffee", "chelsea", "rocket", "camera"):
        imsave(photos / f"{name}.png", getattr(data, name)(), check_contrast=False)
    whole = (photos / "coffee.png").read_bytes()
    (photos / "coffee.png").write_bytes(whole[: len(whole) // 2])
    overlay = _write_overlay(tmp_path, photos)
    done = workspace.snakemake("--cores", "2", "all", *OVERLAYS, overlay, check=False)
    assert done.returncode != 0
    assert "coffee.png" in done.stdout
    assert not (workspace.folder / "runs/tiny/baseline").exists()


def _write_overlay(folder, photos):
    path = folder / "photos.yaml"
    roles = {role: {"source": "mine"} for role in ("baseline", "validation", "test")}
    data = {"sources": {"mine": {"folder": str(photos)}}, "roles": roles}
    path.write_text(json.dumps({"data": data}))
    return str(path)
