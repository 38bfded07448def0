"""What makes a step run again: everything that it runs or reads, and nothing else.

The oracle is what really ran: each step is run once, small, and watched.
"""

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from qr.analyse import gains
from qr.codecs.catalogue import CodecId
from qr.config import load, settings, steps
from qr.config.grid import Grid
from qr.decoders import variants
from qr.decoders.variants import Variant
from support import commands
from support.metrics import KODAK, MODELS, write_metrics
from support.paths import ROOT
from support.workshop import furnished

PACKAGE = ROOT / "qr"
TRAINING = {"baseline", "explore", "soft", "predictive"}
RESULTS = {"export", "figures", "tables", "report"}
OF_VARIANTS = {"explore", "soft", "predictive", "decode", "pictures", "runtime"}
USED = ("qr", "qr-hyper", "baseline", "centroid", "decoder")  # variants in the runs below


# What ran


class Watch:
    """The functions of qr that run while it is entered."""

    def __init__(self):
        self.codes = set()

    def __enter__(self):
        sys.settrace(lambda frame, _event, _argument: self.codes.add(frame.f_code))
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    @property
    def ran(self):
        """Each as (module, outermost name)."""
        found = set()
        for code in self.codes:
            path = Path(code.co_filename)
            if path.is_relative_to(PACKAGE) and path.suffix == ".py":
                parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
                found.add((".".join(parts), code.co_qualname.partition(".")[0]))
        return found


class Noting(dict):
    """Settings that note which of their keys are asked for."""

    def __init__(self, values):
        super().__init__(values)
        self.asked = set()

    def __getitem__(self, key):
        self.asked.add(key)
        return super().__getitem__(key)


@pytest.fixture(scope="module")
def watched(tmp_path_factory, small_config):
    """By step: the functions that ran, and the settings with what was asked of them."""
    for module in pkgutil.walk_packages([str(PACKAGE)], "qr."):
        if module.name not in ("qr.__main__", "qr.measure.timing_cases"):
            importlib.import_module(module.name)  # what runs on import is not what a step runs
    folder = tmp_path_factory.mktemp("watched")
    workshop = furnished(folder, small_config)
    every = workshop.commands | presenting(folder, workshop)
    other = {"qr": "qr-hyper", folder / "state" / "predictive": folder / "state" / "hyper"}
    hyper = [other.get(part, part) for part in every["predictive"]]
    ran, asked = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        given = steps.settings
        notes = {}

        def noted(step, *arguments):
            return notes.setdefault(step, Noting(given(step, *arguments)))

        patch.setattr(steps, "settings", noted)
        for step, arguments in [*every.items(), ("predictive", hyper)]:
            gains._gains.cache_clear()  # what the step before has found
            with Watch() as watch:
                assert commands.run(*arguments) == 0, step
            ran.setdefault(step, set()).update(watch.ran)
        asked = {step: set(found) - found.asked for step, found in notes.items()}
        # Times are taken in a process of their own, which gets the settings as they are.
        cases = (PACKAGE / "measure" / "timing_cases.py").read_text()
        asked["runtime"] -= set(re.findall(r'settings\["(\w+)"\]', cases))
    return ran, asked


def presenting(folder, workshop):
    """The commands behind the metrics."""
    metrics = folder / "metrics"
    write_metrics(metrics, models=MODELS[-1:], qualities=(1, 4), names=KODAK[:3])
    config = ["--config", workshop.config]
    read = [*config, "--metrics", metrics]
    parts = [metrics / "exploration.csv", *config, "--out", folder / "collected.csv"]
    return {
        "collect": ["collect", "exploration", *parts],
        "summary": ["summary", "--images", metrics / "images.csv", "--out", folder / "s.csv"],
        "export": ["export", "--summary", metrics / "summary.csv", "--out", folder / "export"],
        "figures": ["figures", *read, "--out", folder / "figures"],
        "tables": ["tables", *read, "--out", folder / "tables"],
        "report": ["report", *read, "--out", folder / "report.html"],
    }


# Glue that decides nothing: the command line, the configuration that a step gets its settings
# of, words for people.
GLUE = ("qr.cli.", "qr.config.", "qr.errors", "qr.progress", "qr.provenance", "qr.__init__")
# What the check of a configuration runs, what is looked up when settings are made of it, what
# refuses a name to write to, and the note of what folders held.
LOOK_UPS = {
    ("qr.decoders.variants", "get"),
    *(("qr.data.roles", name) for name in ("check", "takers", "test_sets", "without_overruled")),
    ("qr.data.roles", "_check_reuse"),
    *(("qr.codecs.catalogue", name) for name in ("CodecId", "lmbda", "model_info", "widths")),
    *(("qr.data.walk", name) for name in ("refuse_input", "exists", "_mode")),
    *(("qr.data.listing", name) for name in ("listing", "record", "_listed", "_names")),
    *(("qr.files", name) for name in ("write_text", "write_bytes")),
}


@pytest.mark.parametrize("step", steps.STEPS)
def test_all_that_runs_is_reached(watched, step):
    ran, _ = watched
    found = {(t.module, t.name) for t in reached(step)}
    started = {(module, name) for module, name in ran[step] if not name.startswith("<")}
    missed = {
        (module, name) for module, name in started - found - LOOK_UPS if not module.startswith(GLUE)
    }
    # The clock of a job starts with the command; it decides when to stop, not what is computed.
    assert missed - {("qr.plan.clock", "spare"), ("qr.plan.clock", "stop_time")} == set()
    assert len(started & found) >= (2 if step == "summary" else 5)


def reached(step, package=PACKAGE):
    return steps.reached(step, USED if step in OF_VARIANTS else (), (), package)


# What an edit changes


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the package that may be edited."""
    folder = tmp_path_factory.mktemp("copy") / "qr"
    for path in PACKAGE.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            target = folder / path.relative_to(PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def edited(copied, tmp_path):
    """Replaces a text once in a file of a copy; returns the digests of all steps."""

    def edit(name, old, new):
        path = copied / name
        text = path.read_text()
        assert text.count(old), (name, old)
        with replaced(path, text.replace(old, new, 1)):
            return digests(copied)

    return edit


@contextmanager
def replaced(path, text):
    """Another content of a file of a copy; of the modules, only that one is read anew."""
    before = path.read_text()
    package = next(folder for folder in path.parents if folder.name == "qr")
    module = ".".join(path.relative_to(package.parent).with_suffix("").parts)
    read = steps.sources(package)._modules
    path.write_text(text)
    read.pop(module, None)
    try:
        yield
    finally:
        path.write_text(before)
        read.pop(module, None)


def code(step, package, used=USED):
    """The digest of a step, with variants where some take part."""
    return steps.code(step, used if step in OF_VARIANTS else (), (), package)


def digests(package=PACKAGE, used=USED):
    return {step: code(step, package, used) for step in steps.STEPS}


def changed(before, after):
    return {step for step in before if before[step] != after[step]}


@pytest.mark.parametrize("step", steps.STEPS)
def test_an_edit_of_anything_that_ran_changes_the_digest(watched, copied, step):
    """Every function that really ran gets another statement, one after another."""
    ran, _ = watched
    before = code(step, copied)
    found = {(t.module, t.name) for t in reached(step)} & ran[step]
    for module, name in sorted(found):
        path = copied.parent.joinpath(*module.split(".")).with_suffix(".py")
        with replaced(path, with_a_statement(path.read_text(), name)):
            assert code(step, copied) != before, (module, name)


def with_a_statement(text, name):
    """The function or class `name` at the top of a module, with a statement behind its last."""
    node = next(n for n in ast.parse(text).body if getattr(n, "name", None) == name)
    last = node.body[-1]
    lines = text.splitlines()
    lines.insert(last.end_lineno, " " * node.body[0].col_offset + "_edited = True")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("step", steps.STEPS)
def test_an_edit_of_what_a_step_does_not_import_changes_nothing(watched, copied, step):
    """Every function of every module that did not run and that nothing of the step imports."""
    ran, _ = watched
    before = code(step, copied)
    used = {module for module, _ in ran[step]} | {t.module for t in reached(step)}
    with ExitStack() as edits:
        edited = 0
        for path in copied.rglob("*.py"):
            module = ".".join(path.relative_to(copied.parent).with_suffix("").parts)
            if module not in used and not module.endswith("__init__"):
                more = "\n_edited = True\n\n\ndef _more():\n    pass\n"
                edits.enter_context(replaced(path, path.read_text() + more))
                edited += 1
        assert edited > 20
        assert code(step, copied) == before


MORE = "\nfrom ", "\nimport this\nfrom "  # imported, used by nobody


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("train/losses.py", "255**2 * F", "254**2 * F", TRAINING),
        ("train/optimizers.py", "0.99 * (1 +", "0.98 * (1 +", TRAINING),
        ("config/search.py", "0.382", "0.4", {"explore"}),
        ("train/explore.py", 'row["step"] /', 'row["step"] //', {"explore"}),
        ("decoders/variants.py", "return self.guided and", "return self.guided or",
         OF_VARIANTS | RESULTS | {"summary"}),
        ("config/trainings.py", "if settings[\"source\"] == \"zoo\"", "if False", {"baseline"}),
        ("codecs/zoo.py", "hash_prefix=_digest(path)", "hash_prefix=None", {"baseline"}),
        ("codecs/watch.py", "2.0**20", "2.0**21",
         TRAINING | {"encode", "decode", "runtime", "pictures"}),
        ("measure/timing_cases.py", "warmup_rounds=2", "warmup_rounds=3", {"runtime"}),
        ("decoders/complexity.py", "/ 2 / pixels", "/ pixels", {"runtime"}),
        ("decoders/rectifiers/qr_hyper.py", "dim=1", "dim=-3",
         OF_VARIANTS),
        ("present/report/templates/report.css", "max-width: 72rem", "max-width: 60rem", {"report"}),
        ("resources/kodak.csv", "kodim01", "kodim91", {"data"}),
        ("resources/compressai-kodak-reference.csv", "26.9088", "26.9", RESULTS - {"export"}),
        ("cli/train.py", "stop_at=stop_at", "stop_at=0", set()),
        ("errors.py", "*MORE", "*MORE", set()),
    ],
)  # fmt: skip
def test_logic_counts_where_it_runs_and_nowhere_else(edited, copied, name, old, new, expected):
    if old == "*MORE":
        old, new = "class QRError(Exception):", "class QRError(RuntimeError):"
    assert changed(digests(copied), edited(name, old, new)) == expected


def test_comments_docstrings_annotations_and_layout_do_not_count(copied):
    before = digests(copied)
    with ExitStack() as edits:
        for path in copied.rglob("*.py"):
            text = re.sub(r'(:\n +""")', r"\1Other words. ", "# a comment\n\n" + path.read_text())
            text = text.replace(") -> None:", "):").replace("\n\n\ndef ", "\n\n\n\ndef ")
            edits.enter_context(replaced(path, text))
        assert not changed(before, digests(copied))


def test_a_variants_definition_counts_and_its_label_does_not(monkeypatch):
    def digest(**options):
        variant = Variant("qr", rectifier="qr", **options)
        monkeypatch.setitem(variants._VARIANTS, "qr", variant)
        return steps.code("predictive", ("qr",))

    first = digest(trains=variants.BOTH)
    assert digest(trains=variants.BOTH, label="other") == first
    assert digest(trains=frozenset({"rectifier"})) != first
    assert digest(trains=variants.BOTH, detached=True) != first
    assert digest(trains=variants.BOTH, options={"x": 1}) != first


def test_a_joint_exploration_depends_on_the_rectifier_that_its_soft_phase_trains(small_config):
    def explored(codec):
        config = settings.overlay(small_config, {"soft": {"codec": codec}})
        return [Grid(config).run_by_exploration(name) for name in ("qr", "decoder")]

    assert explored("frozen") == [["qr"], ["decoder"]]
    assert explored("joint") == [["qr"], ["decoder", "qr"]]


def test_another_variant_leaves_those_that_are_there_alone(copied):
    before = digests(copied, ("qr",))
    path = copied / "decoders" / "variants.py"
    more = path.read_text().replace('Variant("baseline"),', 'Variant("baseline"), Variant("more"),')
    with replaced(path, more):
        found = changed(before, digests(copied, ("qr",)))
    assert not found & (TRAINING | {"data", "encode", "anchors", "decode", "runtime", "pictures"})


def test_a_plugin_counts(tmp_path):
    plugin = tmp_path / "own.py"
    plugin.write_text("x = 1\n")
    first = steps.code("data", (), (str(plugin),))
    assert first != steps.code("data")
    plugin.write_text("x = 2\n")
    assert steps.code("data", (), (str(plugin),)) != first


def test_a_digest_is_the_same_in_every_process():
    """Sets have no fixed order: it must not leak."""
    code = "from qr.config import steps; print(steps.code('predictive', ('qr', 'qr-hyper')))"
    found = set()
    for seed in "0123":
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert found == {steps.code("predictive", ("qr", "qr-hyper")) + "\n"}


# What is read of the configuration


@pytest.mark.parametrize("step", [s for s in steps.STEPS if s not in ("summary", "export")])
def test_a_step_asks_for_all_that_it_gets(watched, step):
    """It cannot ask for more: it gets nothing else of the configuration."""
    _, unasked = watched
    assert unasked[step] == set()


def leaves(value, path=()):
    if isinstance(value, dict) and value and path not in WHOLE:
        for key, part in value.items():
            yield from leaves(part, (*path, key))
    else:
        yield path


# Sections whose keys are a user's own names.
WHOLE = {("models",), ("data", "sources"), ("data", "roles"), ("anchors",), ("resources",)}
# Keys that no step reads: which jobs there are and where they are, how they are computed.
UNREAD = {
    ("plugins",), ("seeds",), ("extra",), ("engine", "accelerator"), ("engine", "workers"),
    ("engine", "device_cache_mb"),
    ("engine", "save_every_seconds"), ("runtime", "metric"), ("runtime", "quality"),
    ("explore", "qualities"), ("explore", "variants"), ("resources",),
}  # fmt: skip
CONFIG = load.load(ROOT / "config.yaml")


def other(value):
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list):
        return [*value, *map(other, value[:1])]
    if isinstance(value, dict):
        return {key: other(part) for key, part in value.items()} or {"crop": 200}
    return 16 if value is None else {"frozen": "joint"}.get(value, f"{value}x")


def with_other(config, path):
    key, *inner = path
    if inner:
        return config | {key: with_other(config[key], inner)}
    return config | {key: other(config[key])}


def read_by(config):
    """Each step's settings, as text: of codecs of either metric, trained from another or not."""
    grid = Grid(config)
    codecs = [CodecId.parse(f"mbt2018_{name}") for name in ("mse_q3", "mse_q8", "ms-ssim_q3")]
    found = {}
    for name, step in steps.STEPS.items():
        found[name] = json.dumps([step.reads(grid, codec) for codec in codecs], sort_keys=True)
    return found


@pytest.mark.parametrize("path", list(leaves(CONFIG)), ids=".".join)
def test_every_key_is_read_by_a_step_or_said_to_be_read_by_none(path):
    trained = settings.overlay(
        CONFIG, {"baseline": {"source": "train", "warm_start": {"steps": 5}}}
    )
    before, after = read_by(trained), read_by(with_other(trained, path))
    steps_that_read = {name for name in before if before[name] != after[name]}
    assert (steps_that_read == set()) is (path in UNREAD), steps_that_read
