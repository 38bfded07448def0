rule encode:
    """Every test image as one file; all variants decode the same files."""
    input:
        images=f"{RUN}/data/test.csv",
        codec=lambda wc: FILES.checkpoint(wc.stage, wc.codec),
    output:
        bitstreams=directory(f"{RUN}/encode/{{stage}}/{{codec}}/bitstreams"),
        table=f"{RUN}/encode/{{stage}}/{{codec}}/encoded.csv",
    log:
        f"{RUN}/logs/encode/{{stage}}/{{codec}}.log",
    benchmark:
        f"{RUN}/benchmarks/encode/{{stage}}/{{codec}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("encode"),
    params:
        config=CONFIG_FILE,
        settings=settings("encode"),
        code=code("encode"),
    shell:
        "python -m qr encode --config {params.config} --codec {input.codec} --images {input.images}"
        " --bitstreams {output.bitstreams} --out {output.table} 2>&1 | tee {log}"
