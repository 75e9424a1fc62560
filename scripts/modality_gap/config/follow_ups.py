"""What the rules need to know about the study of losses.

Imports are light: rules/common.smk needs this wherever the Snakefile is read.
"""

from collections.abc import Mapping


def temperature_family(methods: Mapping[str, Mapping], baseline: str) -> list[str]:
    """The methods of `loss_study` that differ from the baseline only in temperature, and the
    baseline itself; empty if there is no baseline."""
    loss = methods.get(baseline, {}).get("loss")
    return [
        name
        for name, entry in methods.items()
        if entry["loss"] == loss and {*entry} <= {"loss", "label", "temperature", "grid", "claims"}
    ]
