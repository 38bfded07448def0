localrules:
    tabulate,


rule tabulate:
    """One table, from the metrics alone."""
    input:
        expand(f"{RESULTS}/metrics/{{kind}}.csv", kind=METRICS),
    output:
        report(
            f"{RESULTS}/tables/{{name}}.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "{name}"},
        ),
        f"{RESULTS}/tables/{{name}}.md",
        f"{RESULTS}/tables/{{name}}.tex",
    log:
        f"{RUN}/logs/tables/{{name}}.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("results"),
    params:
        config=CONFIG_FILE,
        settings=settings("results"),
        code=code("tables"),
        metrics=lambda wc, input: parent(input),
        folder=lambda wc, output: parent(output),
        caption=lambda wc: caption("tables", wc.name),
    shell:
        "python -m qr tables --config {params.config} --metrics {params.metrics} --out {params.folder}"
        " --only {wildcards.name} 2>&1 | tee {log}"
