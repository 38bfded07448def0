rule decode:
    """Every file decoded and measured with every variant."""
    input:
        images=f"{RUN}/data/test.csv",
        codec=lambda wc: FILES.checkpoint(wc.stage, wc.codec),
        bitstreams=rules.encode.output.bitstreams,
        encoded=rules.encode.output.table,
        decoders=lambda wc: FILES.decoders(wc.codec) if wc.stage == "soft" else [],
    output:
        f"{RUN}/decode/{{stage}}/{{codec}}.csv",
    log:
        f"{RUN}/logs/decode/{{stage}}/{{codec}}.log",
    benchmark:
        f"{RUN}/benchmarks/decode/{{stage}}/{{codec}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("decode"),
    params:
        config=CONFIG_FILE,
        settings=settings("decode"),
        code=code("decode", *VARIANTS),
        variants=lambda wc, input: FILES.decode_options(
            wc.codec, wc.stage, input.decoders
        ),
    shell:
        "python -m qr decode --config {params.config} --codec {input.codec} --images {input.images}"
        " --bitstreams {input.bitstreams} --encoded {input.encoded} {params.variants}"
        " --out {output} 2>&1 | tee {log}"
