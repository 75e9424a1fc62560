"""The values that the figures of the follow-ups draw, from the tables of the follow-ups."""

import re
from typing import TYPE_CHECKING

from modality_gap.measures.posthoc.registry import FIXED

if TYPE_CHECKING:
    import pandas as pd

# Tasks of methods.csv: the mixed gallery of pairs by share, and that of documents of several forms.
PAIR_GALLERY, CAPTION_GALLERY = "T2b", "T2c"
FORMS = {"caption": "caption", "picture": "picture", "fused": "both"}
CURVE = re.compile(r"ndcg10_(\d[\d.]*)(?:_(?:xy|yx))?")


def sets_in_order(methods: "pd.DataFrame") -> list[str]:
    """The sets of methods.csv; sets with several captions per picture come first."""
    several = methods.loc[methods["task"] == CAPTION_GALLERY, "set"].unique()
    return sorted(methods["set"].unique(), key=lambda name: name not in several)


def gallery_of(methods: "pd.DataFrame", name: str) -> str:
    """The name of the task of a set's mixed gallery: T2c if the set was scored on it, which needs
    several captions per picture, and T2b otherwise. In T2c each document of the gallery is a
    caption, a picture or both."""
    of_documents = (methods["set"] == name) & (methods["task"] == CAPTION_GALLERY)
    return CAPTION_GALLERY if of_documents.any() else PAIR_GALLERY


def scored(methods: "pd.DataFrame", name: str) -> int:
    """The number of pairs of a set on which the mixed gallery was scored."""
    rows = methods[(methods["set"] == name) & (methods["split"] == FIXED)]
    return int(rows.loc[rows["task"] == gallery_of(methods, name), "n_scored"].iloc[0])


def mixed_curves(methods: "pd.DataFrame", name: str, task: str = "") -> "pd.DataFrame":
    """NDCG at 10 of a set on the fixed split, by the share of the other modality, with one column
    per method. The task is the given one, or that of `gallery_of`. For pairs, NDCG is the mean of
    both directions."""
    rows = methods[(methods["set"] == name) & (methods["split"] == FIXED)]
    rows = rows[rows["task"] == (task or gallery_of(methods, name))]
    shares = rows["metric"].str.extract(f"^{CURVE.pattern}$", expand=False).astype(float)
    rows = rows.assign(share=shares).dropna(subset=["share"])
    return rows.pivot_table(index="share", columns="method", values="value").sort_index()


def by_form(methods: "pd.DataFrame", name: str) -> "pd.DataFrame":
    """NDCG at 10 of a set by the form of the wanted document, one row per method. A set with one
    caption per picture has no row."""
    rows = methods[(methods["set"] == name) & (methods["split"] == FIXED)]
    metrics = [f"ndcg10_{form}" for form in FORMS]
    rows = rows[(rows["task"] == CAPTION_GALLERY) & rows["metric"].isin(metrics)]
    wide = rows.pivot_table(index="method", columns="metric", values="value")
    return wide.reindex(columns=metrics).set_axis([*FORMS], axis="columns")
