rule predictive:
    """The predictive phase of one decoder variant: the encoder is frozen."""
    input:
        manifests=rules.data.output.manifests,
        codec=rules.soft.output.codec,
        rectifier=rules.soft.output.rectifier,
        exploration=lambda wc: FILES.exploration(wc.codec, wc.variant),
    output:
        decoder=f"{RUN}/predictive/{{codec}}/{{variant}}_s{{seed}}/decoder.safetensors",
        course=f"{RUN}/predictive/{{codec}}/{{variant}}_s{{seed}}/log.csv",
    log:
        f"{RUN}/logs/predictive/{{codec}}/{{variant}}_s{{seed}}.log",
    benchmark:
        f"{RUN}/benchmarks/predictive/{{codec}}/{{variant}}_s{{seed}}.tsv"
    conda:
        "../../environment.yml"
    threads: GRID.devices("predictive")[1]
    resources:
        **needs("predictive"),
    params:
        config=CONFIG_FILE,
        limit=limit,
        settings=settings("predictive"),
        code=lambda wc: code("predictive", wc.variant)(wc),
        data=lambda wc, input: parent(input.manifests),
        state=f"{RUN}/state/predictive/{{codec}}/{{variant}}_s{{seed}}",
    shell:
        "python -m qr train predictive --config {params.config} --codec {wildcards.codec} --data {params.data}"
        " --state {params.state} --soft {input.codec} --rectifier {input.rectifier}"
        " --exploration {input.exploration} --variant {wildcards.variant} --seed {wildcards.seed}"
        " --out {output.decoder} --log {output.course} {params.limit} 2>&1 | tee {log}"
