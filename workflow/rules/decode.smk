def contenders(codec, stage):
    """The variants of a stage as options of `qr decode`."""
    options = [f"--variant {name}" for name in GRID.untrained(stage)]
    if stage == "soft":
        options += [
            f"--trained {seed}:{decoder_file(codec, variant, seed)}"
            for variant in GRID.trained()
            for seed in CONFIG["seeds"]
        ]
    return " ".join(options)


rule decode:
    """Every file decoded and measured with every variant."""
    input:
        manifests=rules.data.output.manifests,
        codec=stage_file,
        bitstreams=rules.encode.output.bitstreams,
        encoded=rules.encode.output.table,
        decoders=lambda wc: decoder_files(wc.codec) if wc.stage == "soft" else [],
    output:
        f"{RUN}/decode/{{stage}}/{{codec}}.csv",
    params:
        config=CONFIG_FILE,
        settings=settings("decode"),
        code=code("decode", *CONFIG["variants"]),
        images=f"{RUN}/data/test.csv",
        variants=lambda wc: contenders(wc.codec, wc.stage),
    log:
        f"{RUN}/logs/decode/{{stage}}/{{codec}}.log",
    benchmark:
        f"{RUN}/benchmarks/decode/{{stage}}/{{codec}}.tsv"
    threads: 1
    resources:
        gpu=CODING_GPUS,
    conda:
        "../../environment.yml"
    shell:
        "python -m qr decode --config {params.config} --codec {input.codec} --images {params.images}"
        " --bitstreams {input.bitstreams} --encoded {input.encoded} {params.variants}"
        " --out {output} 2>&1 | tee {log}"
