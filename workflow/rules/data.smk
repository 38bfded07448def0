rule data:
    """Find, check and divide the images."""
    output:
        manifests=expand(
            f"{RUN}/data/{{role}}.csv", role=manifests(CONFIG["data"]["roles"])
        ),
    log:
        f"{RUN}/logs/data/data.log",
    benchmark:
        f"{RUN}/benchmarks/data/data.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        **needs("data"),
    params:
        config=CONFIG_FILE,
        settings=settings("data"),
        code=code("data"),
        folder=lambda wc, output: parent(output.manifests),
    shell:
        "python -m qr data --config {params.config} --out {params.folder} --downloads runs/downloads"
        " --workers {threads} 2>&1 | tee {log}"
