"""The crate describes what is on disk, and nothing else; the same files give the same bytes."""

import hashlib
import json

import pytest
from rocrate.rocrate import ROCrate

from qr.archive import crate, manifest
from support import report
from support.metrics import write_metrics
from support.paths import ROOT

RESULTS = ROOT / "results"
COMMITTED = [p for p in RESULTS.glob("*/ro-crate-metadata.json") if p.parent.name != "smoke"]
MANIFEST = report.MANIFEST | {"version": "tiny-v1", "git_commit": "0123abc"}


@pytest.fixture
def results(tmp_path):
    for name in ("figures/rd.png", "figures/rd.pdf", "tables/gains.md",
                 "tables/gains.tex", "compressai/mse/a.json", "pictures/codec/a.webp",
                 "sets/other/tables/gains.md"):  # fmt: skip
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    write_metrics(tmp_path / "results" / "metrics", models=["mbt2018"])
    (tmp_path / "results" / "compressai" / ".snakemake_timestamp").touch()
    (tmp_path / "results" / "notes.txt").write_text("not the run's")
    (tmp_path / "results" / "sets" / "other" / "report.html").write_text("large, and made anew")
    text = crate.build(tmp_path / "results", MANIFEST, "2026-01-02")
    (tmp_path / "results" / crate.NAME).write_text(text)
    manifest.write(MANIFEST, tmp_path / "results" / "manifest.json")
    return tmp_path / "results"


def test_every_file_is_described_with_size_and_digest(results):
    (results / "tables" / "gains.md~").write_text("an editor's")
    (results / "figures" / "MINE.PNG").write_text("of a kind that another system knows")
    (results / crate.NAME).write_text(crate.build(results, MANIFEST, "2026-01-02"))
    read = ROCrate(results)
    described = {file.id: file for file in read.data_entities}
    there = {p.relative_to(results).as_posix() for p in results.rglob("*") if p.is_file()}
    assert set(described) == there - {
        *(crate.NAME, "notes.txt", "compressai/.snakemake_timestamp"),
        "sets/other/report.html",
    }
    for name, file in described.items():
        content = (results / name).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert int(file["contentSize"]) == len(content)
        assert "/" in file["encodingFormat"]


@pytest.mark.parametrize("committed", COMMITTED, ids=lambda path: path.parent.name)
def test_a_committed_version_is_as_described(committed):
    """Redrawing with changed code changes files that the crate describes."""
    git_ignores = {"report.html", "workflow.html"}
    for file in ROCrate(committed.parent).data_entities:
        if file.id not in git_ignores:
            content = (committed.parent / file.id).read_bytes()
            assert file["sha256"] == hashlib.sha256(content).hexdigest(), file.id


def test_a_version_that_was_redrawn_is_described_anew(results, works):
    (results / "figures" / "rd.png").write_text("drawn again")
    works("describe", results)
    described = {file.id: file for file in ROCrate(results).data_entities}
    digest = hashlib.sha256(b"drawn again").hexdigest()
    assert described["figures/rd.png"]["sha256"] == digest
    assert described["metrics.parquet"]["encodingFormat"] == "application/vnd.apache.parquet"
    assert '"datePublished": "2026-01-02"' in (results / crate.NAME).read_text()


def test_a_version_that_lost_metrics_is_not_described_anew(results, refused):
    (results / "metrics" / "runtime.csv").unlink()
    before = (results / crate.NAME).read_bytes()
    refused("describe", results, says=["has lost metrics/runtime.csv"])
    assert (results / crate.NAME).read_bytes() == before


def test_a_version_whose_metrics_were_changed_is_not_described_anew(results, refused):
    images = results / "metrics" / "images.csv"
    images.write_text(images.read_text() + "\n")
    before = (results / crate.NAME).read_bytes()
    refused("describe", results, says=[images, "put that one back"])
    assert (results / crate.NAME).read_bytes() == before


def test_what_is_not_finished_cannot_be_described(results, refused):
    (results / "manifest.json").unlink()
    refused("describe", results, says=["is no finished version"])


def test_the_graph_is_whole(results):
    """Every reference leads to an entity of the crate, but those to the specification."""
    document = json.loads((results / crate.NAME).read_text())
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    assert document["@context"][1]["sha256"] == "https://schema.org/sha256"
    assert entities["./"]["datePublished"] == "2026-01-02"
    referred = {
        reference["@id"]
        for entity in entities.values()
        for value in entity.values()
        for reference in (value if isinstance(value, list) else [value])
        if isinstance(reference, dict)
    }
    assert all(r in entities or "w3id.org/ro/crate" in r for r in referred)
    run = entities["#run"]
    assert entities[run["instrument"]["@id"]]["identifier"] == "0123abc"
    metrics = list((results / "metrics").iterdir())
    assert len(run["result"]) == 8 + len(metrics)


def test_the_same_files_give_the_same_bytes(results):
    again = crate.build(results, MANIFEST, "2026-01-02")
    assert again == (results / crate.NAME).read_text()
