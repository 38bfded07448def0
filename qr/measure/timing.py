"""Seconds per step of coding one image, measured by pytest-benchmark.

`benchmark` runs the cases of `qr.measure.timing_cases` in a pytest of its own; the benchmark JSON
becomes rows of metrics/runtime.csv.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from qr.errors import QRError
from qr.files import write_csv

# Not imported: torch would be loaded here, too, and only pytest needs it.
_CASES = Path(__file__).with_name("timing_cases.py")


def benchmark(
    settings: Mapping[str, Any],
    plugins: Sequence[str],
    codec: Path,
    images: Path,
    untrained: Sequence[str],
    trained: Sequence[Path],
    out: Path,
) -> None:
    """Time the codec's parts and each variant's decoder; write runtime.csv rows to `out`.

    pytest-benchmark's own JSON is kept beside `out`, with the suffix .json.

    Args:
        plugins: files of the user's, which register what the checkpoints name.
        untrained: names of variants.
        trained: weights of variants.

    Raises:
        QRError: a case failed; its output is shown.
    """
    if settings["device"] == "cuda":
        from qr.device import require

        require(settings["device"])
    job = {
        "settings": dict(settings),
        "plugins": list(plugins),
        "codec": str(codec),
        "images": str(images),
        "untrained": list(untrained),
        "trained": [str(path) for path in trained],
    }
    report = out.with_suffix(".json")
    report.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        job_file = Path(folder) / "job.json"
        job_file.write_text(json.dumps(job))
        arguments = [
            "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir", folder,
            "-c", str(Path(folder) / "none.ini"), "--benchmark-json", str(report),
            f"--runtime-job={job_file}", str(_CASES),
        ]  # fmt: skip
        (Path(folder) / "none.ini").write_text("[pytest]\n")
        command = [sys.executable, "-m", "pytest", "-p", "qr.measure.timing_options", *arguments]
        # A pytest that this is started from, or options of the user's, are none of its business.
        own = {name: v for name, v in os.environ.items() if not name.startswith("PYTEST_")}
        done = subprocess.run(command, stdout=sys.stderr, env=own, check=False)
    if done.returncode:
        raise QRError("a runtime case failed; pytest's output above says which")
    write_csv(pd.DataFrame(_rows(json.loads(report.read_text()))), out)


def _rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for case in report["benchmarks"]:
        stats = case["stats"]
        rows.append(
            {
                **case["extra_info"],
                "rounds": stats["rounds"],
                "median_s": stats["median"],
                "q25_s": stats["q1"],
                "q75_s": stats["q3"],
                "iqr_s": stats["iqr"],
            }
        )
    return rows
