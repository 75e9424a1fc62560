"""The losses that a model may have been trained with: their names and the numbers that they need.

To add a loss, declare it here, add its computation to LOSSES (measures/losses.py) and write a test.
Declaration and computation are separate for two reasons. The checks of the configuration, its
schema and the rules read the declaration before every job, so they must not wait for SciPy. And
this stage may not import a later one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DeclaredLoss:
    """A loss as the configuration, the rules and the pages know it.

    `label` is its name in sentences; the names of its tables begin with `prefix`. `keys` describes,
    as parts of a JSON schema, the numbers of a model that was trained with the loss: `scale`, by
    which a cosine is multiplied, and the parameters of the loss. The metadata of embeddings must
    have them, as logit_scale and so on, or a row of `pairs` must give them. A loss without keys is
    swept over every set; a loss with keys is swept over the sets that name it.
    """

    label: str
    prefix: str
    keys: Mapping[str, dict] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, dict]:
        """The keys without `scale`, which is 1 over the temperature."""
        return {name: part for name, part in self.keys.items() if name != "scale"}


DECLARED_LOSSES: dict[str, DeclaredLoss] = {
    "softmax": DeclaredLoss("softmax loss", "loss"),
    "sigmoid": DeclaredLoss(
        "sigmoid loss",
        "sigmoid",
        {
            "scale": {
                "description": "Factor of a cosine in the model's own loss, its logit scale.",
                "type": "number",
                "exclusiveMinimum": 0,
            },
            "bias": {
                "description": "What the sigmoid loss adds to a scaled cosine, its logit bias.",
                "type": "number",
            },
        },
    ),
}


def all_keys() -> list[str]:
    """The keys of all losses."""
    return list(dict.fromkeys(key for loss in DECLARED_LOSSES.values() for key in loss.keys))


def trained_with(sets: Mapping[str, Mapping], name: str) -> dict[str, dict]:
    """The sets over which a loss is swept, each with the numbers of the loss in its entry."""
    keys = DECLARED_LOSSES[name].keys
    return {
        one: {key: entry[key] for key in keys if key in entry}
        for one, entry in sets.items()
        if not keys or entry.get("loss") == name
    }
