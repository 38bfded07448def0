"""The findings say what the committed tables say: every number in them is computed again.

A number is followed by a comment that names where it comes from, such as

    +0.041 [+0.033, +0.049] dB<!-- controls.gain_db: model == "mbt2018" and variant == "qr" -->

with one row of results/<version>/tables/controls.csv, or else of metrics/, for its query, or
several for `min`, `max`, `mean` or `count` before the table's name; `bsds/controls` is the table of
a further test set, `cpu-v2-long/controls` that of another version, `cpu-v2-long/bsds/controls` that
of its further test set. An interval is that of the same row. What others found is marked `cited:`
instead.
"""

import re
from pathlib import Path

import pandas as pd
import pytest

from qr.files import write_csv
from support.paths import ROOT

FINDINGS = sorted((ROOT / "docs").glob("findings*.md"))
NUMBER = r"[+−]?\d[\d,]*(?:\.\d+)?"
CLAIM = re.compile(
    rf"(?P<mean>{NUMBER})(?: \[(?P<low>{NUMBER}), (?P<high>{NUMBER})\])?(?: [^\W\d_]+| %)?"
    r"<!-- (?:cited: .+?|(?:(?P<how>min|max|mean|count) )?"
    r"(?:(?P<of>[\w/-]+)/)?(?P<table>\w+)\.(?P<column>\w+): (?P<query>.+?)) -->"
)
MEASURED = re.compile(rf"{NUMBER}\]? (?:dB|%|kMAC)")


def faults(text: str, version: Path) -> list[str]:
    """What is said that the tables do not say, and what is said without a source."""
    found = [fault for claim in CLAIM.finditer(text) for fault in wrong(claim, version)]
    rest = CLAIM.sub("", text)
    return found + [f"without a source: {m.group()}" for m in MEASURED.finditer(rest)]


def wrong(claim: re.Match, version: Path) -> list[str]:
    if claim["table"] is None:
        return []
    folder = folder_of(claim["of"] or "", version)
    path = folder / "tables" / f"{claim['table']}.csv"
    path = path if path.exists() else folder / "metrics" / path.name
    rows = pd.read_csv(path, dtype={"quality": str}).query(claim["query"])
    column, how = claim["column"], claim["how"]
    if how is None and len(rows) != 1:
        return [f"{len(rows)} rows: {claim.group()}"]
    values = {"mean": rows[column].agg(how) if how else rows[column].item()}
    if claim["low"]:
        stem, unit = re.fullmatch(r"(.+?)(_db)?", column).groups("")
        values |= {end: rows[f"{stem}_{end}{unit}"].item() for end in ("low", "high")}
    return [
        f"{claim[end]} is {shown(value, claim[end])}: {claim.group()}"
        for end, value in values.items()
        if claim[end] != shown(value, claim[end])
    ]


def folder_of(of: str, version: Path) -> Path:
    """That of a further test set, of another version, or of a further test set of that."""
    other, _, test_set = of.rpartition("/")
    version = version.parent / other if other else version
    folder = version / "sets" / test_set if test_set else version
    return folder if folder.exists() else version.parent / of


def shown(value: float, like: str) -> str:
    """`value` with as many decimals as `like` has, and with a sign if it has one."""
    decimals = len(like.partition(".")[2])
    sign = "+" if like[0] in "+−" else ""
    return f"{value:{sign},.{decimals}f}".replace("-", "−")


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.stem)
def test_every_number_of_the_findings_is_what_the_tables_say(path):
    text = path.read_text()
    (version,) = re.findall(r"<!-- results: (\S+) -->", text)
    assert len(CLAIM.findall(text)) > 20
    assert not faults(text, ROOT / "results" / version)


# The checker itself


@pytest.fixture
def version(tmp_path):
    version, beside = tmp_path / "mine", tmp_path / "beside"
    columns = ["variant", "quality", "gain_db", "gain_low_db", "gain_high_db", "change_percent"]
    rows = [("qr", "4", 0.1234, 0.1, 0.15, -4.26), ("decoder", "mean", -0.02, -0.03, 1234.5, 0.0)]
    for folder, factor in (
        (version, 1),
        (version / "sets" / "more-of", 10),
        (beside, 2),
        (beside / "sets" / "more-of", 4),
    ):
        table = pd.DataFrame(rows, columns=columns)
        write_csv(table.assign(gain_db=factor * table["gain_db"]), folder / "tables/controls.csv")
    columns = ["variant", "correlation", "correlation_low", "correlation_high"]
    table = pd.DataFrame([("qr", -0.5, -0.61, 0.2)], columns=columns)
    write_csv(table, version / "metrics" / "error_correlation.csv")
    return version


QR = 'controls.gain_db: variant == "qr" and gain_db > 0'
TRUE = (
    f"+0.123 [+0.100, +0.150] dB<!-- {QR} -->",
    '−4.3 %<!-- controls.change_percent: quality == "4" -->',
    "−0.02 dB<!-- min controls.gain_db: gain_db < 1 -->",
    "2 points<!-- count controls.gain_db: gain_db < 1 -->",
    '1,234 dB<!-- controls.gain_high_db: variant == "decoder" -->',
    '+1.23 dB<!-- more-of/controls.gain_db: variant == "qr" -->',
    '+0.247 dB<!-- beside/controls.gain_db: variant == "qr" -->',
    '+0.494 dB<!-- beside/more-of/controls.gain_db: variant == "qr" -->',
    '−0.50 [−0.61, +0.20]<!-- error_correlation.correlation: variant == "qr" -->',
    "1.8 %<!-- cited: somebody -->",
)


@pytest.mark.parametrize("text", TRUE)
def test_what_the_tables_say_has_no_fault(version, text):
    assert CLAIM.search(text)
    assert not faults(f"A claim, {text}, and 24 images.", version)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"+0.124 dB<!-- {QR} -->", "+0.124 is +0.123"),
        (f"0.123 [+0.101, +0.150] dB<!-- {QR} -->", "+0.101 is +0.100"),
        (f"+0.123 [+0.100, +0.151] dB<!-- {QR} -->", "+0.151 is +0.150"),
        ('+4.3 %<!-- controls.change_percent: variant == "qr" -->', "+4.3 is −4.3"),
        ('1 dB<!-- controls.gain_db: variant == "none" -->', "0 rows"),
        ("1 dB<!-- controls.gain_db: gain_db < 1 -->", "2 rows"),
        ('+0.123 dB<!-- more-of/controls.gain_db: variant == "qr" -->', "+0.123 is +1.234"),
        ('+0.123 dB<!-- beside/controls.gain_db: variant == "qr" -->', "+0.123 is +0.247"),
        ('+1.234 dB<!-- beside/more-of/controls.gain_db: variant == "qr" -->', "+1.234 is +0.494"),
        ("It gains +0.123 dB.", "without a source: +0.123 dB"),
        ("+0.123 [+0.100, +0.150] dB", "without a source: +0.150] dB"),
    ],
)
def test_what_they_do_not_say_is_found(version, text, complaint):
    assert any(complaint in fault for fault in faults(text, version))
