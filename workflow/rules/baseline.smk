rule baseline:
    """The codec to begin with: from the zoo, or trained."""
    input:
        manifests=rules.data.output.manifests,
        start=baseline_start,
    output:
        codec=f"{RUN}/baseline/{{codec}}/codec.safetensors",
        course=f"{RUN}/baseline/{{codec}}/log.csv",
    log:
        f"{RUN}/logs/baseline/{{codec}}.log",
    benchmark:
        f"{RUN}/benchmarks/baseline/{{codec}}.tsv"
    # A download needs the network, and no GPU.
    localrule: GRID.fetched
    conda:
        "../../environment.yml"
    threads: 1 if GRID.fetched else TRAINING_THREADS
    resources:
        **needs("results") if GRID.fetched else needs("baseline", gpu=GPUS),
    params:
        config=CONFIG_FILE,
        limit=limit,
        settings=settings("baseline"),
        code=code("baseline"),
        data=lambda wc, input: parent(input.manifests),
        state=f"{RUN}/state/baseline/{{codec}}",
        start=lambda wc, input: f"--start {input.start}" if input.start else "",
    shell:
        "python -m qr train baseline --config {params.config} --codec {wildcards.codec} --data {params.data}"
        " --state {params.state} {params.start} --out {output.codec} --log {output.course} {params.limit} 2>&1 | tee {log}"
