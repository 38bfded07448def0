rule encode:
    """Every test image as one file; all variants decode the same files."""
    input:
        manifests=rules.data.output.manifests,
        codec=stage_file,
    output:
        bitstreams=directory(f"{RUN}/encode/{{stage}}/{{codec}}/bitstreams"),
        table=f"{RUN}/encode/{{stage}}/{{codec}}/encoded.csv",
    params:
        config=CONFIG_FILE,
        settings=settings("encode"),
        code=code("encode"),
        images=f"{RUN}/data/test.csv",
    log:
        f"{RUN}/logs/encode/{{stage}}/{{codec}}.log",
    benchmark:
        f"{RUN}/benchmarks/encode/{{stage}}/{{codec}}.tsv"
    threads: 1
    resources:
        gpu=CODING_GPUS,
    conda:
        "../../environment.yml"
    shell:
        "python -m qr encode --config {params.config} --codec {input.codec} --images {params.images}"
        " --bitstreams {output.bitstreams} --out {output.table} 2>&1 | tee {log}"
