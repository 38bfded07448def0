"""How a table is printed: in Markdown and in LaTeX, without another dependency."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

Row = Mapping[str, Any]
NOTHING = "–"  # a cell without a value
_LONG = 40  # rows from which a LaTeX table may break across pages


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: one sentence; the caption.
        frame: the CSV, units in the columns' names.
        columns: header (with its unit) and cell of each column of the printed table.
        group: number of leading columns that are printed only where they change.
        shown: which rows of `frame` are printed; all, if None.
        notes: sentences under the table.
        nothing: stands in place of rows where there are none.
    """

    title: str
    frame: pd.DataFrame
    columns: dict[str, Callable[[Row], str]]
    group: int = 1
    shown: pd.Series | None = None
    notes: list[str] = field(default_factory=list)
    nothing: str = "No such results in this run."

    def cells(self) -> list[list[str]]:
        """The printed rows."""
        frame = self.frame if self.shown is None else self.frame[self.shown]
        return [[cell(row) for cell in self.columns.values()] for row in frame.to_dict("records")]


def text(column: str) -> Callable[[Row], str]:
    """Cell of a word or a whole number."""
    return lambda row: NOTHING if pd.isna(row[column]) or row[column] == "" else str(row[column])


def number(column: str, pattern: str = ".3f", scale: float = 1) -> Callable[[Row], str]:
    """Cell of a number times `scale`; a plus in `pattern` shows the sign of gains."""
    return lambda row: _format(row[column] * scale, pattern)


def with_interval(name: str, unit: str = "_db") -> Callable[[Row], str]:
    """Cell of the columns <name>_db, <name>_low_db, <name>_high_db: '+0.13 [+0.12, +0.14]'."""

    def cell(row: Row) -> str:
        mean, low, high = (row[f"{name}{part}{unit}"] for part in ("", "_low", "_high"))
        text = _format(mean, "+.3f")
        itself = mean == low == high == 0  # a reference's gain over itself needs no interval
        if pd.isna(low) or itself:
            return text
        return f"{text} [{_format(low, '+.3f')}, {_format(high, '+.3f')}]"

    return cell


def bold(cell: str) -> str:
    """The cell in bold type."""
    return f"**{cell}**"


def span(values: pd.Series) -> str:
    """'1 to 3', or the one value, or 'none'."""
    if values.empty:
        return "none"
    low, high = values.min(), values.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _format(value: Any, pattern: str) -> str:
    if pd.isna(value):
        return NOTHING
    return format(value, pattern).replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def markdown(table: Table) -> str:
    """A pipe table under its title, notes below it."""
    rows = table.cells()
    align = ["---:" if number else ":---" for number in numeric_columns(rows, len(table.columns))]
    lines = [list(table.columns), align, *_without_repeats(rows, table.group)]
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    paragraphs = [f"**{table.title}**", "\n".join(body)]
    paragraphs += [] if rows else [table.nothing]
    return "\n\n".join([*paragraphs, *table.notes]) + "\n"


def latex(table: Table, name: str) -> str:
    """A booktabs table (longtable, if it is long) with caption and label `tab:<name>`."""
    rows = table.cells()
    align = "".join("r" if number else "l" for number in numeric_columns(rows, len(table.columns)))
    head = " & ".join(map(escape, table.columns)) + r" \\"
    body = []
    for i, row in enumerate(_without_repeats(rows, table.group)):
        body += [r"\midrule"] if i and row[0] else []  # a new group
        body.append(" & ".join(map(escape, row)) + r" \\")
    caption = rf"\caption{{{escape(' '.join([table.title, *table.notes]))}}}\label{{tab:{name}}}"
    long = len(rows) > _LONG
    if long:
        top = [rf"\begin{{longtable}}{{{align}}}", caption + r" \\"]
        bottom = [r"\end{longtable}"]
    else:
        top = [r"\begin{table}", r"\centering", caption, rf"\begin{{tabular}}{{{align}}}"]
        bottom = [r"\end{tabular}", r"\end{table}"]
    top = [
        f"% needs the packages booktabs{' and longtable' if long else ''}",
        *top,
        r"\toprule",
        head,
    ]
    top += [r"\midrule", *([r"\endhead"] if long else [])]
    return "\n".join([*top, *body, r"\bottomrule", *bottom]) + "\n"


_LATEX = {
    "\\": r"\textbackslash{}",
    **{c: "\\" + c for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "α": r"$\alpha$",
    "‖": r"$\|$",
    "ŷ": r"$\hat{y}$",
    "ỹ": r"$\tilde{y}$",
    "⁶": "$^6$",
}


def escape(words: str) -> str:
    """Make text safe in LaTeX; what is `bold` stays so."""
    text = "".join(_LATEX.get(c, c) for c in words)
    return re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", text)


def numeric_columns(rows: list[list[str]], count: int) -> list[bool]:
    """Which of the first `count` columns hold numbers, and stand to the right."""
    return [_is_numeric(rows, column) for column in range(count)]


def _is_numeric(rows: list[list[str]], column: int) -> bool:
    cells = [row[column] for row in rows if row[column] != NOTHING]
    plain = [cell.strip("*") for cell in cells]
    return bool(plain) and all(cell[0] in "+−0123456789" or cell == "mean" for cell in plain)


def _without_repeats(rows: list[list[str]], group: int) -> list[list[str]]:
    """Blank a row's leading cells, up to `group` of them, while they repeat the row above."""
    result = []
    for above, row in zip([None, *rows], rows, strict=False):
        same = 0
        while above and same < group and row[same] == above[same]:
            same += 1
        result.append([""] * same + row[same:])
    return result
