"""The steps, and the code that each depends on."""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

from qr.decoders import variants
from qr.provenance import _PACKAGE

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
