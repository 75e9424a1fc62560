"""What inputs and encoders are to the paper's own, on a small list made up for the test."""

import pytest

from modality_gap.paper.items import read_items
from modality_gap.paper.stand_ins import NEITHER, NOTHING, own_sets, sentences, stand_ins

KNOWN = {
    "own": {
        "files": ["photos", "captions"],
        "architectures": ["ViT-B-32", "resnet50"],
        "weights": ["openai", "resnet50_seed*"],
    },
    "neighbours": ["vit_b16", "vit_b16_8bit"],
    "inputs": {"few": "80 photographs for 5,000"},
    "datasets": {"emoji": "emoji for photographs"},
    "encoders": {
        "vit_b16": "16 for 32",
        "vit_b16_8bit": "16 for 32",
        "bert": "BERT for CLIP's text tower",
    },
    "where_vit_b32": {"released_clip": "16 for 32, again"},
}
CONFIG = {
    "inputs": {
        "all": {"dataset": "coco"},
        "few": {"dataset": "coco"},
        "part": {"dataset": "half"},
        "pictures": {"dataset": "emoji"},
        "birds": {"dataset": "birds"},
        "unknown": {},
    },
    "datasets": {
        "coco": {"files": {"pictures": "photos", "annotations": "captions"}},
        "half": {"files": {"pictures": "photos", "annotations": "my_captions"}},
        "birds": {"files": {"archive": "birds"}},
    },
    "encoders": {
        "clip": {"architecture": "ViT-B-32", "pretrained": "openai", "label": "CLIP"},
        "laion": {"architecture": "ViT-B-32", "pretrained": "laion2b", "label": "LAION"},
        "small_pictures": {"architecture": "ViT-B-32", "weights": "openai", "image_size": 64},
        "seed": {"architecture": "resnet50", "weights": "resnet50_seed07"},
        "untrained": {"architecture": "resnet50", "seed": 0},
        "several": {"architecture": "resnet50", "seeds": [0, 1]},
        "neither": {"architecture": "resnet50", "label": "Neither"},
        "vit_b16": {"architecture": "ViT-B-16", "pretrained": "openai", "label": "B/16"},
        "vit_b16_8bit": {"architecture": "ViT-B-16", "label": "B/16 in 8 bit"},
        "bert": {"model": "bert", "label": "BERT"},
    },
}
# By name: stand-in, neighbour, or what it is called where it is neither; nothing for the paper's.
INPUTS = {
    "all": "",
    "few": "80 photographs for 5,000",
    "part": "other: part",
    "pictures": "emoji for photographs",
    "birds": "other: birds",
    "unknown": "other: unknown",
    "a file": "other: a file",
}
ENCODERS = {
    "clip": "",
    "laion": "other: LAION",
    "small_pictures": "other: small_pictures",
    "seed": "",
    "untrained": "",
    "several": "",
    "neither": "other: Neither",
    "vit_b16": "neighbour: 16 for 32",
    "bert": "BERT for CLIP's text tower",
    "released_clip": "",
    "embeddings of mine": "other: embeddings of mine",
}


def shown(inputs, encoders, vit_b32=False):
    """Each as a text: its kind, where it is no stand-in, and what it takes the place of."""
    found = stand_ins(KNOWN, inputs, encoders, CONFIG, vit_b32)
    kinds = (found.stand_ins, found.neighbours, found.others)
    heads = ("", "neighbour: ", "other: ")
    return [head + text for head, texts in zip(heads, kinds, strict=True) for text in texts]


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_are_the_papers_a_stand_in_or_neither(name):
    assert shown([name], []) == ([INPUTS[name]] if INPUTS[name] else [])


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_are_the_papers_a_neighbour_a_stand_in_or_neither(name):
    assert shown([], [name]) == ([ENCODERS[name]] if ENCODERS[name] else [])


def test_where_the_paper_means_another_model_its_own_is_a_stand_in():
    assert shown([], ["released_clip", "clip"], True) == ["16 for 32, again"]
    assert shown([], ["bert"], True) == ["BERT for CLIP's text tower"]
    assert shown([], ["released_clip"]) == []


def test_a_set_is_the_papers_own_if_all_that_it_is_made_of_is():
    sets = {
        "own": {"inputs": "all", "encoder": "clip"},
        "other_data": {"inputs": "few", "encoder": "clip"},
        "neighbour": {"inputs": "all", "encoder": "vit_b16"},
        "unknown": {"inputs": "birds", "encoder": "clip"},
        "authors": {"released": "released_clip"},
    }
    assert own_sets(KNOWN, sets, CONFIG) == ["own", "authors"]


def test_all_are_named_once_inputs_first_and_kinds_apart():
    inputs = ["pictures", "birds", "few", "pictures"]
    encoders = ["bert", "vit_b16", "laion", "vit_b16_8bit", "bert", "laion"]
    assert stand_ins(KNOWN, inputs, encoders, CONFIG) == (
        ["emoji for photographs", "80 photographs for 5,000", "BERT for CLIP's text tower"],
        ["16 for 32"],
        ["birds", "LAION"],
    )


def test_captions_tell_each_kind_in_a_sentence_of_its_own():
    about = {"title": "T?", "part": "P", "kind": "figure", "alt": "A"}
    study = {"inputs": "study.inputs", "encoders": "study.encoders"}
    items = read_items(
        {
            "several": {**about, "made_of": study},
            "as_many": {**about, "like": "several"},
            "own": {**about, "made_of": {"inputs": "own.inputs", "encoders": "own.encoders"}},
            "none": about,
        }
    )
    config = {
        **CONFIG,
        "study": {"inputs": "pictures", "encoders": ["bert", "vit_b16", "b_1"]},
        "own": {"inputs": "all", "encoders": ["clip"]},
    }
    several = (
        "Stand-ins: emoji for photographs; BERT for CLIP's text tower. "
        f"Neighbouring models: 16 for 32. {NEITHER}: b\\_1."
    )
    assert sentences(items, KNOWN, {}, config) == {
        "several": several,
        "as_many": several,
        "own": NOTHING,
        "none": NOTHING,
    }
    assert NOTHING == "The data and the encoders are the paper's own."
