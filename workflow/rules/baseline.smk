rule baseline:
    """The codec to begin with: from the zoo, or trained."""
    input:
        manifests=rules.data.output.manifests,
        start=lambda wc: FILES.start(wc.codec),
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
    threads: GRID.devices("baseline")[1]
    resources:
        **needs("results" if GRID.fetched else "baseline"),
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
