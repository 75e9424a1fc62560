# The claims ledger: what the paper states, what this run measured, and the verdict.


rule check_claims:
    """Every claim of the paper against the tables of this run."""
    input:
        tables=tables_measured_in(read_ledger(LEDGER / "parts.yaml")["claims"]),
        ledger=CLAIMS_FILES[0],
        parts=CLAIMS_FILES[1:],
        schema=shipped("config/schema/claims.yaml"),
        code=code("claims/check_claims"),
    output:
        report(
            "results/claims.csv",
            caption=caption("claims"),
            category="Claims",
            labels={"result": "every claim, with a verdict"},
        ),
    log:
        "results/logs/check_claims.log",
    benchmark:
        "results/benchmarks/check_claims.tsv"
    conda:
        "../envs/report.yaml"
    params:
        results=lambda wildcards: RESULTS,
    script:
        "../scripts/claims/check_claims.py"
