# Lookups that the rules share. Decisions are made in qr.config.grid, where tests reach them.

import json
import sys
from pathlib import Path

from qr.archive.seal import check_same, finished
from qr.codecs.catalogue import CodecId
from qr.config.check import check
from qr.config.grid import Grid, Job, all_variants
from qr.config.load import write
from qr.config.steps import code_digest
from qr.errors import QRError
from qr.plan import cluster
from qr.plan.cost import Cost
from qr.present.names import FIGURES, TABLES, caption


def checked(config):
    """The resolved configuration as plain data."""
    try:
        check(config)
        return json.loads(json.dumps(config))
    except QRError as error:
        raise WorkflowError(str(error))


def costs(config):
    """What jobs take, by the measured table that the configuration names."""
    try:
        return Cost(config, Path(f"runs/{config['version']}"))
    except QRError as error:
        raise WorkflowError(str(error))


CONFIG = checked(config)
GRID = Grid(CONFIG)
RUN = f"runs/{CONFIG['version']}"
COST = costs(CONFIG)
RESULTS = f"results/{CONFIG['version']}"
CONFIG_FILE = f"{RUN}/config.yaml"
# A finished version is read only; a report of it still tells of every job.
FINISHED = finished(Path(RESULTS)) and "--report" not in sys.argv
PLUGINS = tuple(CONFIG["plugins"])
# One thread computes, the others decode training images.
TRAINING_THREADS = 1 + CONFIG["engine"]["workers"]
# Times are taken on all cores of this machine; elsewhere nobody knows how many there are.
TIMING_THREADS = 2 if workflow.remote_exec else workflow.resource_settings.cores or 2
GPUS = 0 if CONFIG["engine"]["accelerator"] == "cpu" else CONFIG["engine"]["devices"]
CODING_GPUS = 1 if CONFIG["engine"]["coding"] == "cuda" else 0
VARIANTS = all_variants(CONFIG)
ROLES = ("baseline", "exploration", "predictive", "validation", "test")
METRICS = ("images", "summary", "exploration", "training", "runtime", "anchors")

FIGURE_FILES = expand(
    f"{RESULTS}/figures/{{name}}.{{kind}}", name=FIGURES, kind=("png", "pdf")
)
TABLE_FILES = expand(
    f"{RESULTS}/tables/{{name}}.{{kind}}", name=TABLES, kind=("csv", "md", "tex")
)

REPORT = f"{RESULTS}/report.html"
# Of a finished version, the report shows the pictures that there are.
PICTURES = [
    folder
    for folder in (f"{RESULTS}/pictures/{codec}" for codec in GRID.timed())
    if not FINISHED or Path(folder).is_dir()
]


wildcard_constraints:
    codec="|".join(map(str, GRID.needed())),
    variant="|".join(VARIANTS),
    seed="|".join(map(str, GRID.seeds)),
    stage="original|soft",
    role="|".join(ROLES),


def everything(wildcards):
    """All results; of a finished version, only if they are still what this run would make."""
    if FINISHED:
        try:
            check_same(Path(RESULTS), CONFIG)
        except QRError as error:
            raise WorkflowError(str(error))
    return FIGURE_FILES + TABLE_FILES + [f"{RESULTS}/manifest.json", REPORT]


def code(step, *variant_names):
    """What the rule's result depends on besides its inputs; Snakemake reruns when it changes."""
    return code_digest(step, variant_names, PLUGINS)


def settings(step):
    """Likewise, for what the rule's command reads of the configuration."""
    return lambda wildcards: GRID.settings(step, codec_of(wildcards))


def needs(step, gpu=0):
    """What a job of `step` asks a cluster for; a retry asks for more. Local runs do not care."""

    def ask(what):
        return lambda wildcards, attempt: COST.need(
            job_of(step, wildcards), what, attempt
        )

    return {"mem_mb": ask("memory_mb"), "runtime": ask("minutes"), "gpu": gpu}


def job_of(step, wildcards):
    """The job of a rule, as far as its needs depend on its wildcards."""
    variant, stage = wildcards.get("variant"), wildcards.get("stage")
    return Job(step, codec_of(wildcards), variant, stage=stage)


def limit(wildcards, resources):
    """Where a scheduler ends jobs, training stops by its own clock before."""
    return f"--stop-after {resources.runtime}" if workflow.remote_exec else ""


def write_config():
    """Where the commands read it: each run begins with that, so that its jobs agree."""
    try:
        write(CONFIG, CONFIG_FILE)
    except QRError as error:
        raise WorkflowError(str(error))


# For the commands that a dry run prints, and for jobs that share no file system with the run. One
# that is there may be that of a run that goes on.
if not Path(CONFIG_FILE).is_file():
    write_config()


def take_over():
    """On SLURM: what a Snakemake that was killed left there must not write into this run."""
    if workflow.executor_plugin.name == "slurm":
        try:
            workflow.globals["controller"] = cluster.take_over(
                Path(), Path("runs/.controller")
            )
        except QRError as error:
            raise WorkflowError(str(error))


def codec_of(wildcards):
    """The codec that a job is about, None where it is about all."""
    name = wildcards.get("codec")
    return CodecId.parse(name) if name else None


def parent(files):
    """The folder that holds `files`."""
    return Path(files[0]).parent


def baseline_file(codec):
    return f"{RUN}/baseline/{codec}/codec.safetensors"


def exploration_file(codec, variant):
    source, explored = GRID.exploration(codec, variant)
    return f"{RUN}/explore/{source}/{explored}.csv"


def stage_file(wildcards):
    """The checkpoint whose bitstreams a stage makes."""
    folder = "baseline" if wildcards.stage == "original" else "soft"
    return f"{RUN}/{folder}/{wildcards.codec}/codec.safetensors"


def decoder_file(codec, variant, seed):
    return f"{RUN}/predictive/{codec}/{variant}_s{seed}/decoder.safetensors"


def decoder_files(codec):
    """Weights of all trained variants, seed by seed."""
    return [
        decoder_file(codec, variant, seed)
        for variant, seed in GRID.trained(CodecId.parse(str(codec)))
    ]


def baseline_start(wildcards):
    start = GRID.start(codec_of(wildcards))
    return baseline_file(start) if start else []


def contenders(codec, stage, decoders):
    """The variants of a stage as options of `qr decode`; weights in the order of decoder_files."""
    trained = GRID.trained(CodecId.parse(codec))
    return " ".join(
        [f"--variant {name}" for name in GRID.untrained(stage)]
        + [f"--trained {seed}:{path}" for (_, seed), path in zip(trained, decoders)]
    )


def timed_untrained():
    return [name for name in GRID.untrained("soft") if name != "original"]


def timed_decoders(codec):
    """One seed is enough: time does not depend on the weights."""
    first = {}
    for name, seed in GRID.trained(CodecId.parse(codec)):
        first.setdefault(name, decoder_file(codec, name, seed))
    return list(first.values())


def pictured_decoders(codec):
    """Weights of the trained variants that the report's viewer shows."""
    pictured = GRID.pictured(CodecId.parse(codec))
    return [decoder_file(codec, name, seed) for name, seed in pictured]


def pictured_trained(codec, decoders):
    """The same as options of `qr pictures`; weights in the order of pictured_decoders."""
    pictured = GRID.pictured(CodecId.parse(codec))
    return " ".join(
        f"--trained {seed}:{path}" for (_, seed), path in zip(pictured, decoders)
    )


def course_files():
    """Logs of every training of the run."""
    codecs = [] if GRID.fetched else GRID.needed()
    return (
        [f"{RUN}/baseline/{codec}/log.csv" for codec in codecs]
        + [f"{RUN}/soft/{codec}/log.csv" for codec in GRID.codecs]
        + [
            path.replace("decoder.safetensors", "log.csv")
            for codec in GRID.codecs
            for path in decoder_files(codec)
        ]
    )


def write_report():
    """Snakemake's own report of the whole run, once everything else is there.

    A finished version that is only redrawn keeps the one it has, which knows every job.
    """
    workflow_report = Path(f"{RESULTS}/workflow.html")
    if Path(REPORT).is_file() and not (FINISHED and workflow_report.is_file()):
        shell(
            f"snakemake all --nolock --quiet all --configfile {CONFIG_FILE}"
            f" --report {workflow_report}"
        )
