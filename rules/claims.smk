# The claims ledger: what the paper states, what this run measured, and the verdict.


rule check_claims:
    """Every claim of the paper against the tables of this run."""
    input:
        tables=tables_measured_in("claims"),
        ledger="config/claims.yaml",
        schema="config/claims_schema.yaml",
        code=code("check_claims"),
    output:
        report(
            "results/claims.csv",
            caption="../report/captions/claims.rst",
            category="Claims",
            labels={"table": "every claim, with a verdict"},
        ),
    log:
        "results/logs/check_claims.log",
    benchmark:
        "results/benchmarks/check_claims.tsv"
    conda:
        "../envs/report.yaml"
    script:
        "../scripts/check_claims.py"


rule write_claims_pages:
    """The ledger and the errata of paper and code, each as a page."""
    input:
        claims="results/claims.csv",
        errata="config/errata.yaml",
        tables=tables_measured_in("errata"),
        templates=[
            "report/base.html.j2",
            "report/claims.html.j2",
            "report/errata.html.j2",
        ],
        style="report/style.css",
        code=code("write_claims_pages"),
    output:
        claims=report(
            "results/claims.html",
            caption="../report/captions/claims.rst",
            category="Claims",
            labels={"figure": "the ledger as a page"},
        ),
        errata=report(
            "results/errata.html",
            caption="../report/captions/errata.rst",
            category="Claims",
            labels={"figure": "errata of paper and code"},
        ),
    log:
        "results/logs/write_claims_pages.log",
    benchmark:
        "results/benchmarks/write_claims_pages.tsv"
    conda:
        "../envs/report.yaml"
    params:
        confidence=config["confidence"],
    script:
        "../scripts/write_claims_pages.py"
