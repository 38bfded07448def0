"""The paper's claims, one by one: this version's number, its interval, and what follows."""

from collections.abc import Mapping
from typing import Any

from qr.analyse.claims import findings
from qr.analyse.metrics import Metrics
from qr.present.layout import NOTHING, Row, Table, bold, number, text

ORDER = 0
HEADING = "The claims, confronted"

_PATTERNS = {"dB": "+.3f", "percent": "+.2f", "times": ".2g"}


def table(metrics: Metrics, _statistics: Mapping[str, Any]) -> Table:
    """A row for each claim of the paper, and two of ours that tell whose the gain is."""
    frame = findings(metrics)
    return Table(
        "What the paper claims of QR, and what this version says of it.",
        frame if len(metrics.images) else frame.iloc[:0],
        {
            "Claim": text("claim"),
            "Verdict": lambda row: bold(row["verdict"]),
            "Here": _here,
            "What was measured": text("note"),
        },
        notes=[
            "A claim about a mean holds, or does not, where the whole 95 % interval is on one side "
            "of zero, and cannot be told where it is not; so much of it as other images, and other "
            "seeds where there were several, would change; of what was trained once, other images "
            "alone. 'QR raises' compares with the "
            "untouched codec, as the paper does; rows marked as ours compare with the same decoder "
            "trained as long without a rectifier, and cannot be told where each was trained once, "
            "as chance may be as large. An error that falls more must fall, and on every codec.",
        ],
    )


def _here(row: Row) -> str:
    pattern = _PATTERNS.get(row["unit"], ".0f")
    value, low, high = (number(name, pattern)(row) for name in ("value", "low", "high"))
    if value == NOTHING:
        return NOTHING
    unit = row["unit"].replace("percent", "%")
    return f"{value} {unit}" if low == NOTHING else f"{value} {unit} [{low}, {high}]"
