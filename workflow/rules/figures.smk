localrules:
    draw,


rule draw:
    """One figure, from the metrics alone."""
    input:
        expand(f"{RESULTS}/metrics/{{kind}}.csv", kind=METRICS),
    output:
        report(
            f"{RESULTS}/figures/{{name}}.png",
            caption="../report/figures.rst",
            category="Figures",
            labels={"figure": "{name}"},
        ),
        f"{RESULTS}/figures/{{name}}.pdf",
    params:
        config=CONFIG_FILE,
        metrics=f"{RESULTS}/metrics",
        folder=f"{RESULTS}/figures",
    log:
        f"{RUN}/logs/figures/{{name}}.log",
    threads: 1
    conda:
        "../../environment.yml"
    shell:
        "python -m qr figures --config {params.config} --metrics {params.metrics} --out {params.folder}"
        " --only {wildcards.name} 2>&1 | tee {log}"
