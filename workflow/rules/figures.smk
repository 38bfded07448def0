localrules:
    draw,


rule draw:
    """All figures, from the metrics alone; a job for each would mostly import matplotlib."""
    input:
        expand(f"{RESULTS}/{{{{where}}}}metrics/{{kind}}.csv", kind=METRICS),
    output:
        [
            report(
                f"{RESULTS}/{{where}}figures/{name}.png",
                caption=f"../report/figures/{name}.rst",
                category="Figures",
                labels={"figure": name},
            )
            for name in FIGURES
        ],
        expand(f"{RESULTS}/{{{{where}}}}figures/{{name}}.pdf", name=FIGURES),
    log:
        f"{RUN}/logs/{{where}}figures.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("results"),
    params:
        config=CONFIG_FILE,
        settings=settings("figures"),
        code=code("figures"),
        metrics=lambda wc, input: parent(input),
        folder=lambda wc, output: parent(output),
    shell:
        "python -m qr figures --config {params.config} --metrics {params.metrics} --out {params.folder} 2>&1 | tee {log}"
