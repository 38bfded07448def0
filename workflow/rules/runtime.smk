def timed_untrained():
    return [name for name in GRID.untrained("soft") if name != "original"]


def timed_decoders(codec):
    """One seed is enough: time does not depend on the weights."""
    return [decoder_file(codec, name, CONFIG["seeds"][0]) for name in GRID.trained()]


rule runtime:
    """Seconds by part, with pytest-benchmark."""
    input:
        manifests=rules.data.output.manifests,
        codec=f"{RUN}/soft/{{codec}}/codec.safetensors",
        decoders=lambda wc: timed_decoders(wc.codec),
    output:
        f"{RUN}/runtime/{{codec}}.csv",
    params:
        config=CONFIG_FILE,
        settings=settings("runtime"),
        code=code("runtime", *CONFIG["variants"]),
        images=f"{RUN}/data/test.csv",
        variants=lambda wc: " ".join(f"--variant {name}" for name in timed_untrained()),
        trained=lambda wc, input: " ".join(f"--trained {path}" for path in input.decoders),
    log:
        f"{RUN}/logs/runtime/{{codec}}.log",
    benchmark:
        f"{RUN}/benchmarks/runtime/{{codec}}.tsv"
    threads: workflow.cores or 2
    resources:
        gpu=CODING_GPUS,
    conda:
        "../../environment.yml"
    shell:
        "python -m qr runtime --config {params.config} --codec {input.codec} --images {params.images}"
        " {params.variants} {params.trained} --out {output} 2>&1 | tee {log}"
