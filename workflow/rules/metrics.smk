# Parts that single jobs wrote, joined into the tables that everything after is made of.


localrules:
    collect,
    summary,
    export,
    manifest,


rule collect:
    """One checked table out of many parts."""
    input:
        parts=lambda wc: FILES.parts()[wc.kind],
        images=test_set,
    output:
        report(
            f"{RESULTS}/{{where}}metrics/{{kind}}.csv",
            caption="../report/metrics.rst",
            category="Metrics",
            labels={"table": "{kind}"},
        ),
    log:
        f"{RUN}/logs/{{where}}collect/{{kind}}.log",
    wildcard_constraints:
        kind="|".join(FILES.parts()),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("results"),
    params:
        config=CONFIG_FILE,
        settings=settings("collect"),
        code=code("collect"),
        images=lambda wc, input: f"--images {input.images}" if input.images else "",
    shell:
        "python -m qr collect {wildcards.kind} {input.parts} {params.images} --config {params.config} --out {output} 2>&1 | tee {log}"


rule summary:
    """images.csv averaged over the images."""
    input:
        f"{RESULTS}/{{where}}metrics/images.csv",
    output:
        report(
            f"{RESULTS}/{{where}}metrics/summary.csv",
            caption="../report/metrics.rst",
            category="Metrics",
            labels={"table": "summary"},
        ),
    log:
        f"{RUN}/logs/{{where}}summary.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("results"),
    params:
        code=code("summary"),
    shell:
        "python -m qr summary --images {input} --out {output} 2>&1 | tee {log}"


rule export:
    """Summaries that `python -m compressai.utils.plot` draws."""
    input:
        f"{RESULTS}/metrics/summary.csv",
    output:
        directory(f"{RESULTS}/compressai"),
    log:
        f"{RUN}/logs/export.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("results"),
    params:
        code=code("export"),
    shell:
        "python -m qr export --summary {input} --out {output} 2>&1 | tee {log}"


rule manifest:
    """Seals the version: written last, from then on nothing is overwritten."""
    input:
        FIGURE_FILES,
        TABLE_FILES,
        expand(f"{RESULTS}/{{where}}metrics/{{kind}}.csv", where=WHERE, kind=METRICS),
        pictures(),
        rules.export.output,
        data=rules.data.output.manifests,
    output:
        manifest=report(
            f"{RESULTS}/manifest.json",
            caption="../report/manifest.rst",
            category="Provenance",
            labels={"file": "manifest"},
        ),
        crate=f"{RESULTS}/ro-crate-metadata.json",
        parquet=f"{RESULTS}/metrics.parquet",
    log:
        f"{RUN}/logs/manifest.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("results"),
    params:
        config=CONFIG_FILE,
        data=lambda wc, input: parent(input.data),
        benchmarks=f"{RUN}/benchmarks",
    shell:
        "python -m qr manifest --config {params.config} --data {params.data}"
        " --benchmarks {params.benchmarks} --out {output.manifest} 2>&1 | tee {log}"
