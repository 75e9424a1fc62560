"""Which inputs and encoders are behind each figure and table: all of them, and no others."""

from pathlib import Path

import pytest

from modality_gap.paper.items import load_items, makings, makings_of_sets, read_items
from modality_gap.paper.stand_ins import plain

ITEMS = load_items(Path(__file__).parents[3] / "config/ledger/items.yaml")

SETS = {
    "whole": {"inputs": "in1", "encoder": "enc1", "weights": "trained", "label": "W"},
    "joined": {"inputs": "in2", "projection": "proj", "weights": "trained", "label": "J"},
    "clip": {"released": "released_clip", "weights": "trained", "label": "C"},
    "own": {"files": {}, "weights": "random", "label": "my own"},
}
CONFIG = {
    "projections": {"proj": {"inputs": "in3", "encoders": {"image": "enc2", "text": "enc3"}}},
    "cone": {
        "encoders": {
            "vision": {"trained": "enc4", "trained_inputs": "in4", "random": "enc5",
                       "random_inputs": "in5"},
            "text": {"trained": "enc6", "trained_inputs": "in6", "random": "enc7",
                     "random_inputs": "in7"},
        },
        "preprocessing": {"inputs": "in8", "encoders": ["enc8", "enc9"]},
    },
    "initialisation_cones": {"enc10": {"inputs": "in10"}, "enc11": {"inputs": "in11"}},
    "supplement": {
        "normalisation": {"inputs": "in12", "encoders": ["enc12", "enc13"]},
        "seed_studies": {
            "supplementary13": {
                "a": {"inputs": "in14", "encoders": ["enc14"]},
                "b": {"files": ["x.npy", "y.npy"]},
            },
            "supplementary14": {"a": {"inputs": "in15", "encoders": ["enc15", "enc16"]}},
        },
    },
    "table1": {"sets": ["joined", "absent"], "tasks": ["t1", "t2"]},
    "tasks": {"t1": {"inputs": "in16"}, "t2": {"inputs": "in17"}, "t3": {"inputs": "in18"}},
    "table2": {"set": "whole", "inputs": "in19"},
    "training": {"whole": {}},
}  # fmt: skip
FILES = ["file x.npy", "file y.npy"]
WANTED = {
    "figure2a": (["in4", "in5", "in6", "in7"], ["enc4", "enc5", "enc6", "enc7"]),
    "preprocessing": (["in8"], ["enc8", "enc9"]),
    "figure2c": (["in10", "in11"], ["enc10", "enc11"]),
    "supplementary5": ([], ["enc10", "enc11"]),
    "supplementary15": (["in12"], ["enc12", "enc13"]),
    "table1": (["in16", "in17"], ["enc2", "enc3"]),
    "table1_curves": (["in16", "in17"], ["enc2", "enc3"]),
    "table2": (["in19"], ["enc1"]),
    "training": (["in1", "in3"], ["enc1", "enc2", "enc3"]),
    "supplementary13": (["in14"], ["enc14", *FILES]),
    "supplementary14": (["in15"], ["enc15", "enc16"]),
    "figure3a": (["in1", "in2"], ["enc1", "enc2", "enc3", "released_clip"]),
    "figure3bcd": (["in1", "in2"], ["enc1", "enc2", "enc3", "released_clip"]),
    "figure1": (["in1", "in2"], ["enc1", "enc2", "enc3", "released_clip", "embeddings of my own"]),
    "theorem1": ([], []),
}


@pytest.mark.parametrize("name", WANTED)
def test_what_a_figure_is_made_of(name):
    inputs, encoders = makings(ITEMS[name], SETS, CONFIG)
    assert (sorted(inputs), sorted(encoders)) == tuple(map(sorted, WANTED[name]))


@pytest.mark.parametrize(
    ("which", "inputs", "encoders"),
    [
        ("all", ["in1", "in2"], ["enc1", "enc2", "enc3", "released_clip", "embeddings of my own",
                                 "CLAP of others", "untrained of others"]),
        ("trained", ["in1", "in2"], ["enc1", "enc2", "enc3", "released_clip", "CLAP of others"]),
        ("published", [], ["released_clip", "CLAP of others"]),  # and trained
        ("table2.set", ["in1"], ["enc1"]),
    ],
)  # fmt: skip
def test_which_sets_an_item_shows(which, inputs, encoders):
    of_others = {"files": ["a", "b"], "items": "c"}
    sets = SETS | {
        "clap": {"released": of_others, "weights": "trained", "label": "CLAP of others"},
        "none": {"released": of_others, "weights": "random", "label": "untrained of others"},
    }
    about = {"title": "T?", "part": "P", "kind": "table", "made_of": {"sets": which}}
    item = read_items({"a": about})["a"]
    assert item.shows_sets == (which != "table2.set")
    assert makings(item, sets, CONFIG) == (inputs, encoders)


def test_what_is_made_of_the_towers_of_a_set_has_its_tasks_and_not_its_pairs():
    whole = SETS["whole"] | {"tasks": ["t1", "t3"], "encoders": {"text": "enc20"}}
    about = {"title": "T?", "part": "P", "kind": "table"}
    made_of = {"encoders_of_sets": "table2.set", "projections": "projections"}
    item = read_items({"a": {**about, "made_of": made_of}})["a"]
    assert makings(item, {"whole": whole}, CONFIG) == (
        ["in16", "in18", "in3"],
        ["enc1", "enc20", "enc2", "enc3"],
    )


def test_what_sets_are_made_of():
    inputs, encoders = makings_of_sets([SETS["joined"], SETS["own"]], CONFIG)
    assert (inputs, encoders) == (["in2"], ["enc2", "enc3", "embeddings of my own"])


def test_names_hold_no_markup():
    assert plain("a_b *c* `d` $e") == r"a\_b \*c\* \`d\` \$e"
