# What all asks for, and what happens before the first job and after the last.


def pictures():
    """The pictures of the report; of a finished version, those that there are."""
    folders = [f"{RESULTS}/pictures/{codec}" for codec in GRID.timed()]
    return [folder for folder in folders if not FINISHED or Path(folder).is_dir()]


def everything(wildcards):
    """All results; of a finished version, only if they are still what this run would make."""
    if FINISHED:
        ask(seal.check_same, Path(RESULTS), CONFIG)
    return FIGURE_FILES + TABLE_FILES + REPORTS + [f"{RESULTS}/manifest.json"]


# For the commands that a dry run prints, and for jobs that share no file system with the run. One
# that is there may be that of a run that goes on; without one, a dry run goes on as well. A dry run
# settles nothing.
if not Path(CONFIG_FILE).is_file():
    try:
        load.write(CONFIG if workflow.remote_exec else SAID, CONFIG_FILE)
    except QRError as error:
        print(f"qr: {error}; the commands of jobs read it", file=sys.stderr)
elif not any(load.written(same, CONFIG_FILE) for same in (CONFIG, SAID)):
    print(
        f"qr: {CONFIG_FILE} is another configuration, of an earlier run; it is replaced when this"
        " run begins, and commands that a dry run prints read it",
        file=sys.stderr,
    )


if not (FINISHED or workflow.remote_exec):
    if told := news(CONFIG["data"], Path(), Path(RUN) / "data"):
        print(f"qr: {told}", file=sys.stderr)


def begin():
    """Write the configuration, so that the jobs of this run agree.

    On SLURM, what a Snakemake that was killed left there must not write into this run. What is
    finished may be drawn while another version is made.
    """
    if REPORTING and seal.finished(Path(RESULTS)):
        raise WorkflowError(
            f"{RESULTS} is finished: make a report of it without running anything"
        )
    slurm = workflow.executor_plugin.name == "slurm"
    if slurm or not FINISHED:
        hold = take_over if slurm else take_part
        workflow.globals["controller"] = ask(hold, Path(), Path("runs/.controller"))
    ask(load.write, CONFIG, CONFIG_FILE)


def end():
    """Write Snakemake's own report of the whole run, once everything else is there.

    A finished version that is only redrawn keeps the one it has, which knows every job; its files
    are described anew.
    """
    if FINISHED:
        shell(f"python -m qr describe {RESULTS}")
    workflow_report = Path(f"{RESULTS}/workflow.html")
    if Path(REPORT).is_file() and not (FINISHED and workflow_report.is_file()):
        shell(
            f"snakemake all --nolock --quiet all --configfile {CONFIG_FILE}"
            f" --report {workflow_report}"
        )
