"""What the paper's own printed numbers say when they are computed again."""

import pandas as pd

from modality_gap.pages.findings.base import Finding
from modality_gap.pages.words import count, estimate, listed, of_all, p_value

SIGNIFICANT = 0.05


def p_values_findings(table: pd.DataFrame) -> list[Finding]:
    """Which improvements in Table 1 are clear: first tested as in the supplement, then at the size
    of the test splits. `table` is supplementary_p_values.csv."""
    printed, other = (table[table["p_published"].notna() == given] for given in (True, False))
    findings = []
    if len(printed):
        ratio = (printed["p_recomputed"] / printed["p_published"] - 1).abs().max()
        left = printed[printed["p_corrected"] < SIGNIFICANT]
        findings.append(
            Finding(
                f"The published accuracies give the published p in "
                f"{of_all(len(printed), len(printed), 'row')} to within {100 * ratio:.2g} %. "
                f"Corrected for the choice among {count(int(table['shifts'].iloc[0]), 'shift')}, "
                f"{listed(left['task']) if len(left) else 'none'} "
                f"{'stay' if len(left) > 1 else 'stays'} below {SIGNIFICANT:g}.",
                (*(f"table1.p_value.{task}" for task in printed["task"]), "table1.corrected"),
            )
        )
    if len(other):
        findings.append(
            Finding(
                "With the test pictures alone p is "
                + listed(
                    f"{p_value(row['p_recomputed'])} for {row['task']} (difference "
                    f"{estimate(row, 'difference', 4)}, n {row['n']:,})"
                    for _, row in other.iterrows()
                )
                + "; the paper gives no p for these.",
                ("table1.p_at_test_size",),
            )
        )
    return findings


def published_table2_findings(table: pd.DataFrame) -> list[Finding]:
    """In how many groups the printed counts fall, and in how many of them a test can show it.
    `table` is published_table2.csv."""
    groups = table[table["group"] != "all"]
    return [
        Finding(
            f"The count falls in {of_all(int((groups['change'] < 0).sum()), len(groups), 'group')}."
            f" With Holm's correction the drop is clear in {_clear(groups, 'p_fisher_holm')} by "
            "Fisher's test, as if other faces were scored, and in at most "
            f"{_clear(groups, 'p_mcnemar_least_holm')} by any paired test that these counts allow.",
            ("table2.not_every_group_improves_clearly",),
        )
    ]


def _clear(groups: pd.DataFrame, name: str) -> str:
    return f"{(groups[name] < SIGNIFICANT).sum()} of {len(groups)}"
