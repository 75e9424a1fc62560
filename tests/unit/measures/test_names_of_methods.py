"""What tables and pages call the methods and measures of the follow-ups, the papers that they name,
and the settings of methods."""

import inspect
import re

import numpy as np
import pytest
from test_posthoc import cloud

from modality_gap.measures.posthoc.catalogue import FOLLOW_UP_MEASURES, METHODS

# By paper, as arXiv numbers it: its name here, its methods and its measures.
PAPERS = {
    "1612.01939": ("CORAL", {"coral", "coral_50"}),
    "1710.04087": ("CSLS", {"csls"}),
    "2108.07344": ("IsoScore", {"spread"}),
    "2109.04290": ("Dual Softmax Loss", {"dual_softmax"}),
    "2112.12777": ("QB-Norm", {"inverted_softmax", "inverted_softmax_100", "qb_norm"}),
    "2203.03897": ("m2-mix", {"relative_alignment"}),
    "2209.15430": ("Relative Representations", {"relative"}),
    "2302.11084": ("DN", {"dn", "dn_100", "dn_zero_shot"}),
    "2306.03819": ("LEACE", {"leace"}),
    "2307.05591": ("ReCap", {f"ridge{side}{end}" for side in ("", "_yx")
                             for end in ("", "_01", "_10")}),
    "2310.11612": ("DBNorm", {"dual_is"}),
    "2310.13276": ("InvGC", {"invgc", "invgc_10", "invgc_50", "invgc_local"}),
    "2401.08567": ("C3", {"centre", "gap_direction", "gap_in_span"}),
    "2404.07983": ("Two Effects, One Trigger",
                   {"few_dimensions", *(f"drop{k}" for k in (1, 2, 5, 10, 20))}),
    "2405.07987": ("Platonic Representation", {"structure"}),
    "2405.18570": ("It's Not a Modality Gap", {"uniformity"}),
    "2410.07167": ("MIR", {"frechet"}),
    "2410.24114": ("NNN", {"nnn", "nnn_128", "nnn_all", "hubs"}),
    "2412.11959": ("GRAM", {"volume"}),
    "2412.14384": ("I0T", {"centre", "least_squares"}),
    "2505.03703": ("Fill the Gap", {"spectral", "own_nearest"}),
    "2507.19054": ("GR-CLIP", {"centre"}),
    "2508.02538": ("DBSN", {"sinkhorn"}),
    "2601.18525": ("ModGap", {"uniformity"}),
    "2602.07026": ("ReVision", {"realign"}),
    "2603.16100": ("", {"leading"}),
    "2603.29080": ("Orthogonal shift", {"orthogonal_shift_90", "orthogonal_shift_99"}),
}  # fmt: skip
PAPER = {"shift", "shift_chosen"}
FOLK = {"translate", "translate_x", "standardise", "project_out", "procrustes"}


def test_a_source_is_the_paper_of_a_method_or_a_measure():
    found: dict = {}
    for name, one in {**METHODS, **FOLLOW_UP_MEASURES}.items():
        for source in one.source.split("), "):
            if paper := re.search(r"^(?:(.*) \()?(\d{4}\.\d{5})\)?$", source):
                called, names = found.setdefault(paper[2], (paper[1] or "", set()))
                assert called == (paper[1] or "")
                names.add(name)
    assert found == PAPERS
    of_papers = set.union(*(names for _, names in PAPERS.values()))
    rest = {name: one.source for name, one in METHODS.items() if name not in of_papers}
    assert {name for name, source in rest.items() if source == "Liang et al., 2022"} == PAPER
    assert {name for name, source in rest.items() if source == "folk method"} == FOLK
    assert {source for name, source in rest.items() if name not in PAPER | FOLK} == {"ours"}


def settings_of(method):
    """The settings that a method is fitted with, given or by default."""
    known = inspect.signature(method.fit).parameters.items()
    return {name: one.default for name, one in known} | method.settings


@pytest.mark.parametrize("name", METHODS)
def test_a_label_says_the_setting_of_a_method(name):
    label, settings = METHODS[name].label, settings_of(METHODS[name])
    for number, part in re.findall(r"(\d*\.?\d+)( %)?", label):
        assert float(number) / (100 if part else 1) in settings.values()
    for letter, key in (("e", "identity"), ("l", "part"), ("r", "penalty"), ("r", "strength"),
                        ("k", "k"), ("b", "sharpness")):  # fmt: skip
        if key in settings and (said := re.search(rf"\b{letter} = ([\d.]+)", label)):
            assert float(said[1]) == settings[key]
    if "side" in settings:
        moves = {"x": r"^first modality moved|first to second", "y": r"^second .* moved|second to"}
        assert re.search(moves[settings["side"]], label)
    assert ("shared" in label) == settings.get("shared", False)
    assert ("whole means" in label) == (name == "dn_100")
    assert ("whole bank" in label) == (name == "nnn_all")


def test_no_two_methods_or_measures_are_called_the_same():
    labels = [one.label for one in (*METHODS.values(), *FOLLOW_UP_MEASURES.values())]
    assert all(labels) and len(labels) == len({*labels})
    for function in {one.fit for one in METHODS.values()}:
        plain = [one for one in METHODS.values() if one.fit is function]
        assert len({str(sorted(settings_of(one).items(), key=str)) for one in plain}) == len(plain)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none", "no change"),
        ("other_first", "other modality first"),
        ("own_first", "own modality first"),
        ("shift", "fitted to close the gap"),
        ("shift_chosen", "chosen on the fit pairs"),
        ("standardise", "each coordinate"),
        ("project_out", "gap direction projected out"),
        ("leading", "leading directions of the second modality"),
        ("invgc_local", "LocalAdj"),
        ("dn_zero_shot", "unit length after"),
        ("centre_z_score", "centring and z-score"),
        ("offset", "offset by kind"),
        ("z_score", "z-score by kind"),
    ],
)
def test_a_label_says_what_a_method_does(name, words):
    assert words in METHODS[name].label


SETTINGS = {
    (name, setting)
    for name, one in METHODS.items()
    for setting in settings_of(one).keys() - {"x", "y", "prompts"}
}
# Other values than any method has.
OTHERS = {"k": 3, "side": "x", "rounds": 2, "rate": 0.2, "shared": True, "normalise": True}


@pytest.mark.parametrize(("name", "setting"), sorted(SETTINGS))
def test_each_setting_of_a_method_counts(name, setting):
    """A user may give any of them, of a method under a name of their own."""
    method, (a, b) = METHODS[name], cloud(15, 8, 2)
    before = settings_of(method)[setting]
    other = OTHERS.get(setting, 0.3)
    if other == before:
        other = {True: False, "x": "y"}[before]
    given = method.settings | {setting: other}
    plain, changed = (method.fit(*cloud(40, 8, 1), **one) for one in (method.settings, given))
    sides = {"x": a, "y": b}
    scores = [
        [one.scores(sides[q], sides[z], (q, z)) for q, z in plain.kinds] for one in (plain, changed)
    ]
    assert not all(np.allclose(*pair) for pair in zip(*scores, strict=True))
