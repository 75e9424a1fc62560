# "Mind the Gap" (Liang et al., NeurIPS 2022): from sources to the page that a reader opens.
# sources -> embeddings -> statistics -> figures and tables -> report
from snakemake.utils import min_version

min_version("9.10")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/sources.smk"
include: "rules/embeddings.smk"
include: "rules/figure1_modality_gap.smk"
include: "rules/figure2_cone_effect.smk"
include: "rules/figure3_contrastive_loss.smk"
include: "rules/table1_zero_shot.smk"
include: "rules/table2_fairness.smk"
include: "rules/claims.smk"
include: "rules/theory.smk"
include: "rules/statistics.smk"
include: "rules/supplement.smk"
include: "rules/training_experiments.smk"
include: "rules/models.smk"
include: "rules/report.smk"
include: "rules/run.smk"


report: "report/workflow.rst"


rule all:
    default_target: True
    input:
        "results/paper.html",
        "results/claims.html",
        "results/models.html",
        "results/run.html",
