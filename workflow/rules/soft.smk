rule soft:
    """The soft phase: the rectifier warms up."""
    input:
        manifests=rules.data.output.manifests,
        baseline=rules.baseline.output.codec,
        exploration=lambda wc: FILES.exploration(wc.codec, "qr"),
    output:
        codec=f"{RUN}/soft/{{codec}}/codec.safetensors",
        rectifier=f"{RUN}/soft/{{codec}}/rectifier.safetensors",
        course=f"{RUN}/soft/{{codec}}/log.csv",
    log:
        f"{RUN}/logs/soft/{{codec}}.log",
    benchmark:
        f"{RUN}/benchmarks/soft/{{codec}}.tsv"
    conda:
        "../../environment.yml"
    threads: GRID.devices("soft")[1]
    resources:
        **needs("soft"),
    params:
        config=CONFIG_FILE,
        limit=limit,
        settings=settings("soft"),
        code=code("soft", "qr"),
        data=lambda wc, input: parent(input.manifests),
        state=f"{RUN}/state/soft/{{codec}}",
    shell:
        "python -m qr train soft --config {params.config} --codec {wildcards.codec} --data {params.data}"
        " --state {params.state} --baseline {input.baseline} --exploration {input.exploration}"
        " --out {output.codec} --rectifier {output.rectifier} --log {output.course} {params.limit} 2>&1 | tee {log}"
