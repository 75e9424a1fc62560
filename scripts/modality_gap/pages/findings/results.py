"""The results of a run, as sentences and small tables made from its tables.

Every number in a sentence comes from a table. A sentence says what was measured. The ledger decides
whether that agrees with the paper. A sentence names the claims that it bears on by their ids, and
the page shows the verdicts of results/claims.csv beside the sentence.
"""

from collections.abc import Mapping

import pandas as pd

from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.findings.figure1 import figure1_findings, figure1_tables
from modality_gap.pages.findings.figure2 import (
    figure2a_findings,
    figure2a_tables,
    figure2b_findings,
    figure2c_findings,
    figure2c_tables,
)
from modality_gap.pages.findings.figure3 import (
    all_minima_table,
    figure3a_findings,
    figure3a_tables,
    figure3bcd_findings,
    figure3bcd_tables,
    figure3g_findings,
    figure3g_tables,
)
from modality_gap.pages.findings.published import (
    p_values_findings,
    published_table2_findings,
)
from modality_gap.pages.findings.recall import recall_findings, recall_tables
from modality_gap.pages.findings.tables import (
    table1_curves_findings,
    table1_findings,
    table1_tables,
    table2_findings,
    table2_tables,
)
from modality_gap.pages.findings.theory import theorem1_findings, theorem2_findings
from modality_gap.pages.findings.training import (
    dimension_findings,
    initialisation_findings,
    same_modality_findings,
    temperature_findings,
    training_findings,
)


def results(
    data: Mapping[str, pd.DataFrame], published: Mapping[str, object], config: Mapping
) -> dict[str, tuple[list[Finding], list[Table]]]:
    """The sentences and tables of every figure and table of the paper, by its id. `data` are the
    tables of the run by their names. `published` are the paper's values by the ids of the
    ledger."""
    gap, cone, mlp, sphere = (data[name] for name in ("gap", "cone", "mlp_cone_interval", "sphere"))
    landscape, minimum = data["loss_landscape"], data["loss_minimum"]
    table1, table2 = data["table1"], data["table2"]
    delta = config["table2"]["shifts"][0]
    return {
        "figure1": (figure1_findings(gap), figure1_tables(gap)),
        "figure2a": (figure2a_findings(cone), figure2a_tables(cone, published)),
        "figure2b": (figure2b_findings(mlp), []),
        "figure2c": (
            figure2c_findings(data["initialisation_spectrum"]),
            figure2c_tables(data["initialisation_spectrum"]),
        ),
        "supplementary5": (figure2c_findings(data["initialisation_noise_spectrum"], False), []),
        "figure3a": (
            figure3a_findings(data["pca_shifts"], gap),
            figure3a_tables(data["pca_shifts"], gap),
        ),
        "figure3bcd": (
            figure3bcd_findings(landscape, minimum, gap),
            figure3bcd_tables(minimum, gap),
        ),
        "figure3g": (figure3g_findings(sphere), figure3g_tables(sphere)),
        "recall_under_shift": (
            recall_findings(data["recall_peak"], gap),
            recall_tables(data["recall_peak"], gap),
        ),
        "loss_minimum": ([], [all_minima_table(minimum)]),
        "table1": (table1_findings(table1), table1_tables(table1)),
        "table1_curves": (table1_curves_findings(data["zero_shot"], table1), []),
        "table2": (table2_findings(table2, delta), table2_tables(table2, delta)),
        "training": (training_findings(data["training"]), []),
        "experiment_temperature": (temperature_findings(data["temperature_summary"]), []),
        "experiment_initialisation": (
            initialisation_findings(
                data["initialisation_summary"], data["initialisation_difference"]
            ),
            [],
        ),
        "experiment_dimension": (dimension_findings(data["dimension_summary"]), []),
        "experiment_same_modality": (
            same_modality_findings(data["same_modality_summary"]),
            [],
        ),
        "theorem1": (theorem1_findings(data["theorem1"], data["theorem1_decay"]), []),
        "theorem2": (theorem2_findings(data["theorem2"]), []),
        "supplementary_p_values": (p_values_findings(data["supplementary_p_values"]), []),
        "published_table2": (published_table2_findings(data["published_table2"]), []),
    }
