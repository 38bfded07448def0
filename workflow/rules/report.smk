localrules:
    render,


rule render:
    """The report that one opens first: one HTML file, from what is in the version's folder."""
    input:
        manifest=f"{RESULTS}/manifest.json",
        metrics=expand(f"{RESULTS}/{{{{where}}}}metrics/{{kind}}.csv", kind=METRICS),
        # The viewer shows the first test set.
        pictures=lambda wc: [] if wc.where else pictures(),
    output:
        f"{RESULTS}/{{where}}report.html",
    log:
        f"{RUN}/logs/{{where}}report.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("results"),
    params:
        config=CONFIG_FILE,
        settings=settings("report"),
        code=code("report"),
        metrics=lambda wc, input: parent(input.metrics),
        pictures=lambda wc, input: (
            f"--pictures {parent(input.pictures)}" if input.pictures else ""
        ),
    shell:
        "python -m qr report --config {params.config} --metrics {params.metrics}"
        " --manifest {input.manifest} {params.pictures} --out {output} 2>&1 | tee {log}"
