rule latents:
    """Latents of whole training images, once for all trainings that leave the encoder as it is."""
    input:
        manifests=rules.data.output.manifests,
        codec=lambda wc: FILES.encoder(wc.codec),
    output:
        temp(directory(f"{RUN}/latents/{{role}}/{{codec}}")),
    log:
        f"{RUN}/logs/latents/{{role}}/{{codec}}.log",
    benchmark:
        f"{RUN}/benchmarks/latents/{{role}}/{{codec}}.tsv"
    wildcard_constraints:
        role="|".join(TRAINING_ROLES),
    conda:
        "../../environment.yml"
    threads: GRID.devices("latents")[1]
    resources:
        **needs("latents"),
    params:
        config=CONFIG_FILE,
        settings=settings("latents"),
        code=code("latents"),
        images=lambda wc, input: f"{parent(input.manifests)}/{wc.role}.csv",
    shell:
        "python -m qr latents --config {params.config} --codec {input.codec} --images {params.images}"
        " --out {output} 2>&1 | tee {log}"
