"""What a result depends on: code, configuration, machine. Free of torch."""

import ast
import hashlib
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from qr import variants

_PACKAGES = (
    "torch",
    "torchvision",
    "compressai",
    "pytorch-msssim",
    "lightning",
    "pytorch-optimizer",
    "safetensors",
    "numpy",
    "pandas",
    "pillow",
    "matplotlib",
    "bjontegaard",
    "scikit-image",
    "snakemake",
    "pytest-benchmark",
)
_PACKAGE = Path(__file__).parent
_CODING = ("models", "latent", "centroid", "rans", "codecs", "weights", "images")
_RECTIFIERS = ("decoders", "rectifiers/__init__", "rectifiers/network")
_TRAINING = (*_CODING, *_RECTIFIERS, "losses", "crops", "phases", "training", "stp")
_METRICS = tuple(f"results/{module}" for module in ("collect", "schema", "traits", "write"))
_RESULTS = (
    *(*_METRICS, "results/__init__", "results/association", "results/efficiency"),
    *("results/labels", "results/reader", "results/statistics"),
)
_FIGURES = ("__init__", "common", "cost", "courses", "error", "exploration", "rate_distortion")
_DRAWING = (
    *(f"results/{module}" for module in ("canvas", "reference", "style")),
    *(f"results/figures/{module}" for module in _FIGURES),
)
_TABLES = (
    "results/layout",
    *(f"results/tables/{module}" for module in ("__init__", "common", "cost", "error")),
    *("results/tables/exploration", "results/tables/gains"),
)
_CURVES = ("metrics", "results/curves")
_REPORT = (
    *("results/reference", "results/style"),
    *(f"report/{module}" for module in ("chart", "charts", "headline", "page", "rate_distortion")),
    *("report/viewer", "report/templates/report.html.j2", "report/templates/viewer.html.j2"),
    *(f"report/templates/{name}" for name in ("report.css", "charts.js", "tables.js", "viewer.js")),
)

# The modules whose logic a step's output depends on.
STEPS = {
    "data": ("data", "images", "download"),
    "baseline": (*_CODING, "losses", "crops", "phases", "training", "stp", "zoo"),
    "explore": (*_TRAINING, "coding", "explore", "search"),
    "soft": _TRAINING,
    "predictive": _TRAINING,
    "encode": (*_CODING, "losses", "bitstream", "coding"),
    "decode": (*_CODING, *_RECTIFIERS, "bitstream", "coding", "metrics"),
    "pictures": (*_CODING, *_RECTIFIERS, "bitstream", "coding", "compare", "pictures"),
    "runtime": (*_CODING, *_RECTIFIERS, "coding", "macs", "runtime", "runtime_cases"),
    "anchors": ("anchors", "images", "metrics"),
    "collect": _METRICS,
    "export": (*_METRICS, "results/export", "results/reader"),
    # The names in legends and tables are in `variants` and `models`.
    "figures": (*_RESULTS, *_DRAWING, *_CURVES, "variants", "models"),
    "tables": (*_RESULTS, *_TABLES, "variants", "models"),
    "report": (*_RESULTS, *_TABLES, *_CURVES, *_REPORT, "variants", "models"),
}


def code_digest(
    step: str, variant_names: tuple[str, ...] = (), plugins: tuple[str, ...] = ()
) -> str:
    """SHA-256 of the logic that `step` runs: comments, docstrings and layout do not count.

    Args:
        variant_names: variants that take part; their definition and rectifier count.
        plugins: files of the user's; each counts whole.
    """
    digest = hashlib.sha256()
    chosen = [variants.get(name) for name in variant_names]
    files = [_PACKAGE / (m if "." in m else f"{m}.py") for m in STEPS[step]]
    files += [_rectifier_file(v.rectifier) for v in chosen if v.rectifier]
    for path in [f for f in files if f.is_file()] + [Path(p) for p in plugins]:
        text = path.read_text()
        digest.update((_logic(text) if path.suffix == ".py" else text).encode())
    for variant in chosen:
        digest.update(_definition(variant).encode())
    return digest.hexdigest()


def _rectifier_file(name: str) -> Path:
    return _PACKAGE / "rectifiers" / f"{name.replace('-', '_')}.py"


def _definition(variant: variants.Variant) -> str:
    """A variant's text without its label, which decides nothing; sets in a fixed order."""
    fields = {k: v for k, v in vars(variant).items() if k != "label"}
    return json.dumps(fields | {"trains": sorted(variant.trains)}, sort_keys=True)


@cache  # the workflow asks for every job, and parsing takes longer than all its other lookups
def _logic(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            body[0] = ast.Pass()
    return ast.dump(tree)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def git_commit() -> tuple[str, bool]:
    """The commit of the source tree, and whether tracked files differ from it.

    ("unknown", False) outside a git checkout. Results and configuration overlays that the
    run itself writes are not looked at.
    """
    try:
        commit = _git("rev-parse", "HEAD")
        return commit, bool(
            _git("status", "--porcelain", "--untracked-files=no", "--", ":!results")
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown", False


def commit_date() -> str:
    """Date of the commit of the source tree, ISO 8601; today's outside a git checkout."""
    try:
        return _git("show", "--no-patch", "--format=%cs", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return datetime.now(UTC).date().isoformat()


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_PACKAGE.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def packages() -> dict[str, str]:
    """Versions of the packages that numbers depend on; those that are missing are left out."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Processor, cores, memory in GiB, operating system; GPUs are named by the jobs' own rows."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
