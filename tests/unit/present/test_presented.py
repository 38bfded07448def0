"""What every figure, table and chart owes its reader, also those that are added later."""

import json
import re
from importlib import import_module

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from qr.analyse.inference import DEFAULT
from qr.analyse.metrics import Metrics
from qr.measure.schema import SCHEMAS
from qr.present import names, style, write
from qr.present.layout import Table, latex, markdown
from qr.present.names import CHARTS, FIGURES, TABLES
from qr.present.report.chart import Chart
from support import metrics as fixture
from support.paths import ROOT

QUICK = DEFAULT | {"bootstrap": 200}
NOT_A_NUMBER = re.compile(r"\b(nan|None|inf|NaT|<NA>)\b")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Metrics of a run that has everything, a user's codec and variant included."""
    run = {"models": ("mbt2018", "my-codec"), "seeds": (0, 1), "qualities": (1, 2, 4)}
    variants = (*fixture.VARIANTS, "qr-picture", "mine", *fixture.SPECIAL["distances"])
    folder = fixture.write_metrics(tmp_path_factory.mktemp("run"), **run, variants=variants)
    return Metrics(folder)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """Metrics without a row."""
    metrics = Metrics(tmp_path_factory.mktemp("nothing"))
    for schema in SCHEMAS.values():
        setattr(metrics, schema.name, pd.DataFrame(columns=list(schema.columns)))
    return metrics


def caption(folder, name):
    """What the workflow's report says below it."""
    return (ROOT / "workflow" / "report" / folder / f"{name}.rst").read_text().strip()


def complete(sentence):
    return (sentence[0].isupper() or sentence[0] == "'") and sentence.endswith((".", "?"))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_or_says_why_not(name, full, empty):
    with style.applied():
        drawn, nothing = (write.figure(name, metrics) for metrics in (full, empty))
    assert isinstance(drawn, Figure) and drawn.axes and drawn.legends
    texts = [text.get_text() for text in drawn.findobj(Text)]
    assert not NOT_A_NUMBER.search(" ".join(texts))
    assert all(ax.get_ylabel() for ax in drawn.axes if ax.get_subplotspec().is_first_col())
    assert not nothing.axes and complete(nothing.texts[0].get_text())
    assert complete(caption("figures", name))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_title_notes_and_no_empty_words(name, full, empty):
    made, nothing = (write.table(name, metrics, QUICK) for metrics in (full, empty))
    assert isinstance(made, Table) and made.cells()
    assert complete(made.title) and made.notes and all(map(complete, made.notes))
    assert complete(caption("tables", name))
    assert nothing.frame.empty and list(nothing.frame) == list(made.frame)
    # A column that holds nothing in a run need not be printed.
    assert nothing.columns.keys() >= made.columns.keys() and nothing.title == made.title
    for table in (made, nothing):
        for printed in (markdown(table), latex(table, name)):
            assert not NOT_A_NUMBER.search(printed)
    assert latex(made, name).isascii()
    module = import_module(f"qr.present.tables.{name}")
    assert module.HEADING and made.title != module.HEADING


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_has_words_and_plain_numbers(name, full, empty):
    module = import_module(f"qr.present.report.charts.{name}")
    drawn, nothing = (module.chart(metrics) for metrics in (full, empty))
    assert isinstance(drawn, Chart) and drawn.name == name and drawn.traces
    assert drawn.title[0].isupper() and complete(drawn.summary) and complete(drawn.empty)
    assert not list(nothing.traces)
    for chart in (drawn, nothing):
        text = json.dumps(chart.data(), allow_nan=False)
        assert not NOT_A_NUMBER.search(text)
    for trace in drawn.data()["traces"]:
        assert trace["x"] and len(trace["x"]) == len(trace["y"])


@pytest.mark.parametrize("folder, known", [("tables", TABLES), ("report.charts", CHARTS)])
def test_each_has_its_own_place_in_the_report(folder, known):
    orders = [import_module(f"qr.present.{folder}.{name}").ORDER for name in known]
    assert len(set(orders)) == len(known)


def test_a_module_in_the_folder_is_all_that_a_figure_needs(tmp_path, monkeypatch):
    (tmp_path / "figures").mkdir()
    for name in ("pie.py", "_help.py", "__init__.py", "notes.txt"):
        (tmp_path / "figures" / name).write_text('"""A pie\nof numbers."""\n')
    monkeypatch.setattr(names, "_HERE", tmp_path)
    assert names._modules("figures") == ("pie",)
