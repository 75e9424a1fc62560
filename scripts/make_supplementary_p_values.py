"""Published p-values of Table 1, computed again, at its test sizes and corrected for the choice."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import pandas as pd
import yaml

from modality_gap.p_values import bonferroni, difference_interval, two_proportion_test

text = Path(snakemake.input.published).read_text(encoding="utf-8")
published = yaml.safe_load(text)["supplementary_p_values"]
rows = []
for row in published["comparisons"]:
    shares = row["default"], row["modified"], row["n"]
    low, high = difference_interval(*shares, snakemake.params.confidence)
    p = two_proportion_test(*shares)
    rows.append(
        {
            **{key: row[key] for key in ("task", "accuracies", "pictures", "n")},
            **{key: row[key] for key in ("default", "modified")},
            "difference": row["modified"] - row["default"],
            "difference_low": low,
            "difference_high": high,
            "p_published": row["p_value"],
            "p_source": row["p_source"],
            "p_recomputed": p,
            "shifts": published["shifts"],
            "p_corrected": bonferroni(p, published["shifts"]),
        }
    )
pd.DataFrame(rows).to_csv(snakemake.output[0], index=False)
