"""What this run found about the theorems: how the simulated values lie to their bounds. The claims
below each figure have the verdicts."""

import pandas as pd

from modality_gap.pages.findings.base import Finding
from modality_gap.pages.words import estimate, of_all


def theorem1_findings(shares: pd.DataFrame, decay: pd.DataFrame) -> list[Finding]:
    """In how many cases the share of layers that bring two vectors no closer is clearly below its
    bound, and how fast it falls in the slowest case. `shares` and `decay` are theorem1.csv and
    theorem1_decay.csv. Empty if the theorem covers no case."""
    covered = shares[shares["covered"]]
    if not len(covered):
        return []
    below = covered["violation_share_high"] < covered["bound"]
    cases = of_all(int(below.sum()), len(below), "case")
    text = f"The share is clearly below its bound in {cases} that the theorem covers."
    if len(decay):
        slowest = decay.loc[decay["exponent"].idxmax()]
        text += f" At the slowest, it falls as d_out^{estimate(slowest, 'exponent', 2)}."
    return [Finding(text)]


def theorem2_findings(shares: pd.DataFrame) -> list[Finding]:
    """At how many layers and widths the share of the variance that is due to the weights is clearly
    above beta. `shares` is theorem2.csv."""
    above = shares["ratio_low"] > shares["beta_high"]
    cases = of_all(int(above.sum()), len(above), "case")
    return [Finding(f"The share is clearly above beta in {cases} (layers and widths).")]
