rule data:
    """Find, check and divide the images."""
    output:
        manifests=expand(f"{RUN}/data/{{role}}.csv", role=ROLES),
    params:
        config=CONFIG_FILE,
        settings=settings("data"),
        code=code("data"),
        folder=f"{RUN}/data",
    log:
        f"{RUN}/logs/data/data.log",
    benchmark:
        f"{RUN}/benchmarks/data/data.tsv"
    threads: 2
    conda:
        "../../environment.yml"
    shell:
        "python -m qr data --config {params.config} --out {params.folder} --downloads runs/downloads"
        " --workers {threads} 2>&1 | tee {log}"
