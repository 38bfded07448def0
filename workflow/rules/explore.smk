rule explore:
    """The alpha and learning rate that serve a variant best, by the validation set."""
    input:
        manifests=rules.data.output.manifests,
        baseline=rules.baseline.output.codec,
    output:
        f"{RUN}/explore/{{codec}}/{{variant}}.csv",
    log:
        f"{RUN}/logs/explore/{{codec}}/{{variant}}.log",
    benchmark:
        f"{RUN}/benchmarks/explore/{{codec}}/{{variant}}.tsv"
    wildcard_constraints:
        variant="|".join(CONFIG["explore"]["variants"]),
    conda:
        "../../environment.yml"
    threads: GRID.devices("explore")[1]
    resources:
        **needs("explore"),
    params:
        config=CONFIG_FILE,
        limit=limit,
        settings=settings("explore"),
        code=lambda wc: code("explore", *GRID.run_by_exploration(wc.variant))(wc),
        data=lambda wc, input: parent(input.manifests),
        state=f"{RUN}/state/explore/{{codec}}/{{variant}}",
    shell:
        "python -m qr explore --config {params.config} --codec {wildcards.codec} --data {params.data}"
        " --state {params.state} --baseline {input.baseline} --variant {wildcards.variant}"
        " --out {output} {params.limit} 2>&1 | tee {log}"
