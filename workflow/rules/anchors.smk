rule anchors:
    """Classical codecs on the same images, measured by the same code."""
    input:
        images=f"{RUN}/data/test.csv",
    output:
        f"{RUN}/anchors/anchors.csv",
    log:
        f"{RUN}/logs/anchors/anchors.log",
    benchmark:
        f"{RUN}/benchmarks/anchors/anchors.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("anchors"),
    params:
        config=CONFIG_FILE,
        settings=settings("anchors"),
        code=code("anchors"),
    shell:
        "python -m qr anchors --config {params.config} --images {input.images} --out {output} 2>&1 | tee {log}"
