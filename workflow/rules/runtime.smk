rule runtime:
    """Seconds by part, with pytest-benchmark."""
    input:
        images=FIRST_SET,
        codec=lambda wc: FILES.final(wc.codec),
        decoders=lambda wc: FILES.timed(wc.codec),
    output:
        f"{RUN}/runtime/{{codec}}.csv",
    log:
        f"{RUN}/logs/runtime/{{codec}}.log",
    benchmark:
        f"{RUN}/benchmarks/runtime/{{codec}}.tsv"
    conda:
        "../../environment.yml"
    threads: TIMING_THREADS
    resources:
        **needs("runtime"),
    params:
        config=CONFIG_FILE,
        settings=settings("runtime"),
        code=code("runtime", *VARIANTS),
        variants=lambda wc, input: FILES.timing_options(wc.codec, input.decoders),
    shell:
        "python -m qr runtime --config {params.config} --codec {input.codec} --images {input.images}"
        " {params.variants} --out {output} 2>&1 | tee {log}"
