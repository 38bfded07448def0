rule pictures:
    """Parts of pictures after each decoder and maps of the quantization error, for the report."""
    input:
        images=FIRST_SET,
        codec=lambda wc: FILES.final(wc.codec),
        bitstreams=lambda wc: FILES.bitstreams(wc.codec),
        decoders=lambda wc: FILES.pictured(wc.codec),
    output:
        directory(f"{RESULTS}/pictures/{{codec}}"),
    log:
        f"{RUN}/logs/pictures/{{codec}}.log",
    benchmark:
        f"{RUN}/benchmarks/pictures/{{codec}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("decode"),
    params:
        config=CONFIG_FILE,
        settings=settings("pictures"),
        code=code("pictures", *VARIANTS),
        variants=lambda wc, input: FILES.picture_options(wc.codec, input.decoders),
    shell:
        "python -m qr pictures --config {params.config} --codec {input.codec} --images {input.images}"
        " --bitstreams {input.bitstreams} {params.variants}"
        " --out {output} 2>&1 | tee {log}"
