"""What a finished version says about its origin."""

from qr.archive.manifest import build
from qr.config import load
from support.metrics import write_metrics
from support.paths import ROOT

CONFIG = load.load(ROOT / "config.yaml")
BENCHMARK = "s\tmax_rss\n{}\t{}\n"


def test_times_are_summed_by_step_and_absent_where_no_job_left_any(tmp_path):
    for name, values in {"a": (1.5, 100.0), "b": (2.0, "-")}.items():
        path = tmp_path / "benchmarks" / "soft" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BENCHMARK.format(*values))
    (tmp_path / "test.csv").write_text("path,sha256\na.png,1234\n")
    steps = build(CONFIG, tmp_path, tmp_path / "benchmarks")["steps"]
    assert steps == {"soft": {"jobs": 2, "wall_seconds": 3.5, "max_rss_mib": 100.0}}
    assert build(CONFIG, tmp_path, tmp_path / "elsewhere")["steps"] == {}


def test_only_what_is_a_version_is_sealed_and_once(refused, works, tmp_path):
    out = tmp_path / "mine" / "manifest.json"
    seal = ["manifest", "-c", ROOT / "config.yaml", "--benchmarks", tmp_path, "--out", out]
    refused(*seal, "--data", tmp_path / "none", says=[tmp_path / "none", "the data step"])
    (tmp_path / "test.csv").write_text("path,sha256\na.png,1234\n")
    refused(*seal, "--data", tmp_path, says=[out.parent, "no metrics"])
    assert not out.exists()
    write_metrics(out.parent / "metrics")
    works(*seal, "--data", tmp_path)
    before = out.read_bytes()
    refused(*seal, "--data", tmp_path, says=[out, "not overwritten"])
    assert out.read_bytes() == before
