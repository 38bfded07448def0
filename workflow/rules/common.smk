# What the rules share. Decisions are made in qr.config and qr.plan, where tests reach them.

import json
import sys
from functools import cache
from pathlib import Path

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))  # this clone's qr, whichever one is installed

from qr.archive import seal
from qr.config import load, precision, steps
from qr.config.grid import Grid, Job, all_variants
from qr.config.paths import Files
from qr.data.listing import news
from qr.data.roles import TRAINING_ROLES, manifests, test_folders, test_sets
from qr.errors import QRError
from qr.plan.cluster import lead_to_this_code, take_over, take_part
from qr.plan.cost import Cost
from qr.present.names import FIGURES, TABLES

lead_to_this_code(ROOT)


def ask(question, *about):
    """The answer of qr, whose errors Snakemake shows as its own."""
    try:
        return question(*about)
    except QRError as error:
        raise WorkflowError(str(error))


# The one of the Snakefile, which all others lie over, comes last.
ask(load.accept, config, [workflow.configfiles[-1], *workflow.configfiles[:-1]])
SAID = json.loads(json.dumps(config))
RUN, RESULTS = f"runs/{SAID['version']}", f"results/{SAID['version']}"
CONFIG_FILE, REPORT = f"{RUN}/config.yaml", f"{RESULTS}/report.html"
# A precision that is `auto` is settled when a run begins, once for all its jobs.
EARLIER = ((seal.configuration, Path(RESULTS)), (load.begun, CONFIG_FILE))
# Executors that submit jobs have a number of them; a job on its node knows that it is one.
ELSEWHERE = workflow.remote_exec or workflow.resource_settings.nodes is not None
CONFIG = precision.resolve(SAID, (ask(*begun) for begun in EARLIER), ELSEWHERE)
GRID, COST = Grid(CONFIG), ask(Cost, CONFIG, Path(RUN))
FILES, VARIANTS = Files(GRID, RUN), all_variants(CONFIG)
# A finished version is read only; a report of it still tells of every job.
REPORTING = any(word.partition("=")[0] == "--report" for word in sys.argv)
FINISHED = seal.finished(Path(RESULTS)) and not REPORTING
# Times are taken on all cores of this machine; elsewhere nobody knows how many there are.
TIMING_THREADS = 2 if workflow.remote_exec else workflow.resource_settings.cores or 2
METRICS = (*FILES.parts(), "summary")
# Of the test sets, the first is the version's own; each other has a folder within it.
SETS = test_sets(CONFIG["data"]["roles"])
FIRST_SET = f"{RUN}/data/test-{SETS[0]}.csv" if SETS else f"{RUN}/data/test.csv"
WHERE = test_folders(CONFIG["data"]["roles"])
FIGURE_FILES = expand(
    f"{RESULTS}/{{where}}figures/{{name}}.{{kind}}",
    where=WHERE,
    name=FIGURES,
    kind=("png", "pdf"),
)
TABLE_FILES = expand(
    f"{RESULTS}/{{where}}tables/{{name}}.{{kind}}",
    where=WHERE,
    name=TABLES,
    kind=("csv", "md", "tex"),
)
REPORTS = expand(f"{RESULTS}/{{where}}report.html", where=WHERE)


# Snakemake asks for every job, and it takes longest; jobs of a step with equal variants share it.
CODE = cache(steps.code)


def code(step, *variants):
    """What the rule's result depends on besides its inputs; Snakemake reruns when it changes."""
    return lambda wildcards: CODE(step, variants, tuple(CONFIG["plugins"]))


def settings(step):
    """Likewise, for what the rule's command reads of the configuration."""

    def digest(wildcards):
        if FINISHED:
            ask(seal.check_drawing, step, Path(RESULTS), CONFIG)
        return steps.settings_digest(step, GRID, Job.of(step, wildcards).codec)

    return digest


def needs(step):
    """What a job of `step` asks a cluster for; a retry asks for more. Local runs do not care."""

    def asked(what):
        return lambda wildcards, attempt: COST.need(
            Job.of(step, wildcards), what, attempt
        )

    gpus, _ = GRID.devices(step)
    return {"mem_mb": asked("memory_mb"), "runtime": asked("minutes"), "gpu": gpus}


def limit(wildcards, resources):
    """Where a scheduler ends jobs, training stops by its own clock before."""
    return f"--stop-after {resources.runtime}" if workflow.remote_exec else ""


def test_set(wildcards):
    """The manifest of the test set whose images a table is about, where there are several."""
    if not SETS or wildcards.kind not in ("images", "anchors"):
        return []
    name = wildcards.where.removeprefix("sets/").rstrip("/") or SETS[0]
    return f"{RUN}/data/test-{name}.csv"


def parent(files):
    """The folder that holds `files`."""
    return Path(files[0]).parent
