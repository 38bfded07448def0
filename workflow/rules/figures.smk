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
    log:
        f"{RUN}/logs/figures/{{name}}.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("results"),
    params:
        config=CONFIG_FILE,
        settings=settings("results"),
        code=code("figures"),
        metrics=lambda wc, input: parent(input),
        folder=lambda wc, output: parent(output),
        caption=lambda wc: caption("figures", wc.name),
    shell:
        "python -m qr figures --config {params.config} --metrics {params.metrics} --out {params.folder}"
        " --only {wildcards.name} 2>&1 | tee {log}"
