"""The steps of the pipeline, in one table: what each reads of the configuration, what code it runs.

A step's functions get what `settings` gives and nothing else of the configuration, so that what
they read and what makes them run again cannot differ. What their code can reach is found by
`qr.config.reach`. Free of torch.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from qr.codecs.catalogue import CodecId, lmbda
from qr.config import settings as phases
from qr.config.grid import Grid, all_variants
from qr.config.reach import Reached, Sources, digest
from qr.data import roles
from qr.decoders import variants

PACKAGE = Path(str(resources.files("qr")))

# Reached by nearly everything, and no result depends on it: words for people, this table, and what
# chooses a precision, which is among the settings.
_INERT = ("qr.errors", "qr.progress", "qr.provenance", "qr.config.steps", "qr.config.precision")
# Of these tables, a job's own rows count, which are in its settings or stand beside its code.
_TABLES = (
    "qr.decoders.variants:_VARIANTS",
    *(f"qr.codecs.catalogue:{name}" for name in ("_MODELS", "_WIDTHS", "LMBDA")),
)

_VARIANT = "qr.decoders.variants:Variant"  # whose properties decide, whichever table it is from

Settings = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        makes: the functions that make its result, 'module:name', or modules; 'package.*' are all
            modules of a package, where they are found by their folder.
        reads: what they get of the configuration, by the grid and the codec that the job is about,
            None where it is about all.
        files: patterns of what they read besides of the package.
        inert: what they can reach and what decides nothing, beside what is so for all.
    """

    makes: tuple[str, ...]
    reads: Callable[[Grid, Any], Settings]
    files: tuple[str, ...] = ()
    inert: tuple[str, ...] = _TABLES


# Sections are handed over whole but for what is named: a new key counts until somebody says that
# it decides nothing.
HOW = ("accelerator", "workers", "device_cache_mb", "save_every_seconds")  # to compute, not what


def _without(section: Mapping[str, Any], *names: str) -> Settings:
    return {key: value for key, value in section.items() if key not in names}


def _training(grid: Grid, codec: CodecId, role: str) -> Settings:
    """What all trainings read; `role` is whose images they train on."""
    return {
        **vars(codec),
        "lmbda": lmbda(codec.metric, codec.quality),
        "role": role,
        **_without(grid.config["engine"], *HOW, "coding", "arithmetic", "compile"),
        "validation_crop": grid.config["data"]["validation_crop"],
    }


def _widths(grid: Grid, codec: CodecId) -> Settings:
    N, M = grid.widths(codec)
    return {"N": N, "M": M}


def _first_seed(grid: Grid) -> Settings:
    """Of all that is trained once, whichever seeds there are."""
    return {"seed": grid.config["seeds"][0]}


def _alpha_factor(grid: Grid, codec: CodecId) -> Settings:
    factor = grid.config["explore"]["ms_ssim_factor"] if codec.metric == "ms-ssim" else 1.0
    return {"alpha_factor": factor}


def _data(grid: Grid, _codec: CodecId) -> Settings:
    data = grid.config["data"]
    return _without(data, "validation_crop") | {"sources": roles.used_sources(data)}


def _baseline(grid: Grid, codec: CodecId) -> Settings:
    started = grid.start(codec) is not None
    return {
        **_training(grid, codec, "baseline"),
        **_widths(grid, codec),
        **_first_seed(grid),
        "source": grid.config["baseline"]["source"],
        "training": phases.of_baseline(grid.config, codec.metric, started),
    }


def _soft(grid: Grid, codec: CodecId) -> Settings:
    return {
        **_training(grid, codec, "predictive"),
        **_widths(grid, codec),
        **_first_seed(grid),
        **grid.config["rectifier"],
        **_alpha_factor(grid, codec),
        "joint": grid.joint,
        "detach_y": grid.config["soft"]["detach_y"],
        "training": phases.of_soft_phase(grid.config),
    }


def _predictive(grid: Grid, codec: CodecId) -> Settings:
    return {
        **_training(grid, codec, "predictive"),
        **grid.config["rectifier"],
        **_alpha_factor(grid, codec),
        "warm_up": phases.of_soft_phase(grid.config),
        "training": phases.of_predictive_phase(grid.config, codec.metric),
    }


def _explore(grid: Grid, codec: CodecId) -> Settings:
    # Where it is explored is the grid's, how long a trial is stands in its training.
    elsewhere = ("qualities", "variants", "ms_ssim_factor", "max_epochs", "patience", "training")
    return {
        **_training(grid, codec, "exploration"),
        **_first_seed(grid),
        **grid.config["rectifier"],
        **_without(grid.config["explore"], *elsewhere),
        "joint": grid.joint,
        "detach_y": grid.config["soft"]["detach_y"],
        "warm_up": phases.of_trial_warm_up(grid.config),
        "training": phases.of_trial(grid.config),
    }


def _coding(grid: Grid, _codec: CodecId) -> Settings:
    return {"device": grid.config["engine"]["coding"]}


def _encoding(grid: Grid, codec: CodecId) -> Settings:
    return _coding(grid, codec) | {"arithmetic": grid.config["engine"]["arithmetic"]}


def _decoding(grid: Grid, codec: CodecId) -> Settings:
    return _coding(grid, codec) | {"width": grid.config["rectifier"]["width"]}


def _pictures(grid: Grid, codec: CodecId) -> Settings:
    return _decoding(grid, codec) | grid.config["report"]


def _runtime(grid: Grid, codec: CodecId) -> Settings:
    # Which codecs are timed is the grid's.
    runtime = _without(grid.config["runtime"], "metric", "quality")
    return _decoding(grid, codec) | _encoding(grid, codec) | runtime


def _collect(grid: Grid, _codec: CodecId) -> Settings:
    config = grid.config
    derived = config["explore"]["ms_ssim_factor"] if "ms-ssim" in config["metrics"] else None
    return {
        "order": {
            "model": list(config["models"]),
            "metric": list(config["metrics"]),
            "variant": all_variants(config),
            "codec": list(config["anchors"]),
        },
        "derived_factor": derived,
    }


def _of(*keys: str) -> Callable[[Grid, CodecId], Settings]:
    return lambda grid, _codec: {key: grid.config[key] for key in keys}


_RUN = "qr.train.stp:Run"
_PUBLISHED = "resources/compressai-kodak-reference.csv"

STEPS = {
    "data": Step(
        ("qr.data.prepare:prepare",),
        _data,
        files=("resources/kodak.csv",),
    ),
    "baseline": Step((_RUN, "qr.train.steps:baseline"), _baseline),
    "explore": Step((_RUN, "qr.train.explore:explore"), _explore),
    "soft": Step((_RUN, "qr.train.steps:soft"), _soft),
    "predictive": Step((_RUN, "qr.train.steps:predictive"), _predictive),
    "encode": Step(("qr.measure.steps:encode",), _encoding),
    "decode": Step(("qr.measure.steps:decode",), _decoding),
    "pictures": Step(("qr.measure.steps:pictures",), _pictures),
    # Its cases run in a process of their own, which finds them by their file.
    "runtime": Step(
        ("qr.measure.timing:benchmark", "qr.measure.timing_cases", "qr.measure.timing_options"),
        _runtime,
    ),
    "anchors": Step(("qr.measure.steps:anchors",), _of("anchors")),
    "collect": Step(("qr.measure.tables:collect",), _collect, inert=()),
    "summary": Step(("qr.measure.tables:summary",), _of(), inert=()),
    "export": Step(("qr.archive.export:write_compressai",), _of(), inert=()),
    "figures": Step(
        ("qr.present.write:write_figures", "qr.present.figures.*"),
        _of(),
        files=(_PUBLISHED,),
        inert=(),
    ),
    "tables": Step(
        ("qr.present.write:write_tables", "qr.present.tables.*"),
        _of("statistics"),
        files=(_PUBLISHED,),
        inert=(),
    ),
    "report": Step(
        (
            "qr.present.report.page:write_report",
            "qr.present.report.charts.*",
            "qr.present.tables.*",
        ),
        _of("version", "statistics"),
        files=(_PUBLISHED, "present/report/templates/*"),
        inert=(),
    ),
}


def settings(step: str, config: Mapping[str, Any], codec: CodecId | None = None) -> Settings:
    """What a job of `step` gets of the configuration; plain data."""
    return STEPS[step].reads(Grid(config), codec)


def engine(config: Mapping[str, Any]) -> Settings:
    """How trainings are computed, which decides nothing about their result."""
    return {name: config["engine"][name] for name in HOW}


def settings_digest(step: str, grid: Grid, codec: CodecId | None = None) -> str:
    """A digest of `settings`: a change makes the step's jobs run again."""
    return phases.digest(STEPS[step].reads(grid, codec))


def code(
    step: str,
    variant_names: tuple[str, ...] = (),
    plugins: tuple[str, ...] = (),
    package: Path = PACKAGE,
) -> str:
    """SHA-256 of the logic that `step` runs: comments, docstrings and layout do not count.

    Args:
        variant_names: variants that take part; their definition and rectifier count.
        plugins: files of the user's; each counts whole, with what it reaches of qr.
        package: folder of qr.
    """
    chosen = [variants.get(name) for name in variant_names]
    files = sorted(path for pattern in STEPS[step].files for path in package.glob(pattern))
    parts = [digest(reached(step, variant_names, plugins, package))]
    parts += [path.read_text() for path in files]
    parts += map(_definition, chosen)
    return phases.digest(parts)


def reached(
    step: str, variant_names: tuple[str, ...], plugins: tuple[str, ...], package: Path = PACKAGE
) -> Reached:
    """Every definition that `step` can reach; arguments as of `code`."""
    found = sources(package)
    entries = [name for made in STEPS[step].makes for name in found.matching(made)]
    entries += map(found.outside, plugins)
    for variant in map(variants.get, variant_names):
        entries += [_VARIANT, *_rectifier(variant, found)]
    return found.reached(entries, (*_INERT, *STEPS[step].inert))


@cache  # the workflow asks for every job
def sources(package: Path) -> Sources:
    """The modules of qr in a folder, each read once."""
    return Sources(package)


def _rectifier(variant: variants.Variant, found: Sources) -> list[str]:
    """The module of its rectifier, if it has one of ours."""
    name = f"qr.decoders.rectifiers.{(variant.rectifier or '').replace('-', '_')}"
    return [name] if variant.rectifier and found.module(name) else []


def _definition(variant: variants.Variant) -> str:
    """A variant's text without its label, which decides nothing; sets in a fixed order."""
    fields: Iterable = ((k, v) for k, v in vars(variant).items() if k != "label")
    return json.dumps(dict(fields) | {"trains": sorted(variant.trains)}, sort_keys=True)
