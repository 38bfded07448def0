localrules:
    tabulate,


rule tabulate:
    """All tables, from the metrics alone."""
    input:
        expand(f"{RESULTS}/{{{{where}}}}metrics/{{kind}}.csv", kind=METRICS),
    output:
        [
            report(
                f"{RESULTS}/{{where}}tables/{name}.csv",
                caption=f"../report/tables/{name}.rst",
                category="Tables",
                labels={"table": name},
            )
            for name in TABLES
        ],
        expand(
            f"{RESULTS}/{{{{where}}}}tables/{{name}}.{{kind}}",
            name=TABLES,
            kind=("md", "tex"),
        ),
    log:
        f"{RUN}/logs/{{where}}tables.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("results"),
    params:
        config=CONFIG_FILE,
        settings=settings("tables"),
        code=code("tables"),
        metrics=lambda wc, input: parent(input),
        folder=lambda wc, output: parent(output),
    shell:
        "python -m qr tables --config {params.config} --metrics {params.metrics} --out {params.folder} 2>&1 | tee {log}"
