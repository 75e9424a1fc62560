"""What the rules need to know of the study of losses.

No heavy import: rules/common.smk needs it wherever the Snakefile is read.
"""

from collections.abc import Mapping


def temperature_family(methods: Mapping[str, Mapping], baseline: str) -> list[str]:
    """The methods of `loss_study` that differ from the baseline only in temperature, including the
    baseline; none if there is no such method."""
    loss = methods.get(baseline, {}).get("loss")
    return [
        name
        for name, entry in methods.items()
        if entry["loss"] == loss and {*entry} <= {"loss", "label", "temperature", "grid", "claims"}
    ]
