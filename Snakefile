# "Mind the Gap" (Liang et al., NeurIPS 2022): from sources to the page that a reader opens.
# sources > embeddings > measures > figures > claims > pages
from os.path import exists

from snakemake.utils import min_version

min_version("9.10")


# Another working directory (`--directory`) may have a configuration of its own. What that leaves out
# is as in the config/config.yaml of this workflow.
if exists("config/config.yaml"):

    configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/inputs.smk"
include: "rules/sources.smk"
include: "rules/embeddings.smk"
include: "rules/training.smk"
include: "rules/figure1.smk"
include: "rules/figure2.smk"
include: "rules/figure3.smk"
include: "rules/table1.smk"
include: "rules/table2.smk"
include: "rules/theory.smk"
include: "rules/supplement.smk"
include: "rules/beyond.smk"
include: "rules/after.smk"
include: "rules/claims.smk"
include: "rules/pages.smk"
include: "rules/pairs.smk"


if not IMPORTED:

    report: "report/workflow.rst"


# Captions in Snakemake's report can read the configuration and nothing else, so the sentences on
# stand-ins and the sets that take part join it here, after all rules have read their settings: no
# rule depends on them.
config = {
    **config,
    "stand_ins": sentences(ITEMS, STAND_INS, SETS, config),
    "taking_part": list(SETS),
}


rule all:
    default_target: True
    input:
        "results/pairs.html"
        if PAIRS_ALONE
        else ["results/index.html", "results/methods.html", *AFTER],
