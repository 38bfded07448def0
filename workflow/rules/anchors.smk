rule anchors:
    """Classical codecs on the same images, measured by the same code."""
    input:
        manifests=rules.data.output.manifests,
    output:
        f"{RUN}/anchors/anchors.csv",
    params:
        config=CONFIG_FILE,
        settings=settings("anchors"),
        code=code("anchors"),
        images=f"{RUN}/data/test.csv",
    log:
        f"{RUN}/logs/anchors/anchors.log",
    benchmark:
        f"{RUN}/benchmarks/anchors/anchors.tsv"
    threads: 1
    conda:
        "../../environment.yml"
    shell:
        "python -m qr anchors --config {params.config} --images {params.images} --out {output} 2>&1 | tee {log}"
