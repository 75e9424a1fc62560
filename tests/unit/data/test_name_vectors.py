"""Finished text vectors: order, length and names of the mirror's files, and what is refused."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from modality_gap.data.name_vectors import read_matrix, read_names, read_vectors
from modality_gap.data.named_pictures import named_by, read_coco_names
from modality_gap.encoders.build import build_encoder
from modality_gap.encoders.vectors import vectors_faults
from modality_gap.errors import InputError

ROOT = Path(__file__).parents[3]
LVIS, COCO = (ROOT / "config" / "names" / f"{name}.txt" for name in ("lvis_v1", "coco"))
UNIT = {"normalised": True}


@pytest.fixture(scope="module")
def texts(mirror):
    return mirror / "text_embeddings"


@pytest.fixture(scope="module")
def lvis(texts):
    return read_vectors(texts / "lvis_openai_vitb16_hand_craft.npy", LVIS, UNIT)


@pytest.fixture(scope="module")
def coco(texts):
    path = texts / "coco_panoptic_clip_hand_craft_ViTB16.npy"
    return read_vectors(path, COCO, UNIT | {"rows": 80})


def cosines(one, other):
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, other)]
    return unit[0] @ unit[1].T


def nearest_is_itself(names, vectors, known):
    """Of the names that `known` has, whether the nearest vector there is that of the same name,
    and the cosine with it."""
    places = {name: place for place, name in enumerate(known)}
    rows = [row for row, name in enumerate(names) if name in places]
    own = np.array([places[names[row]] for row in rows])
    similarity = cosines(np.asarray(vectors)[rows], np.stack(list(known.values())))
    return similarity.argmax(axis=1) == own, similarity[np.arange(len(own)), own]


# --- the lists that come with the project, and the order of the mirror's files -------------------


@pytest.mark.parametrize(("ours", "theirs"), [(LVIS, "lvis_names"), (COCO, "coco80_names")])
def test_the_lists_of_names_are_those_of_the_rows(texts, ours, theirs):
    assert ours.read_bytes() == (texts / f"{theirs}.txt").read_bytes()


def test_both_files_have_the_same_vector_of_a_name(lvis, coco):
    both = sorted(lvis.keys() & coco.keys())
    assert len(both) == 51
    same = [np.diag(cosines([lvis[name]], [coco[name]]))[0] for name in both]
    assert min(same) > 0.9999
    # One row further, they are those of other names.
    shifted = dict(zip(lvis, [*lvis.values()][1:], strict=False))
    assert max(shifted[name] @ coco[name] for name in both if name in shifted) < 0.99


def test_imagenets_classes_are_in_their_own_order(texts, lvis):
    """A .pth of which torch reads nothing without pickle: its numbers are a member of the zip."""
    index = json.loads((texts / "imagenet_class_index.json").read_text())
    names = [index[str(row)][1].replace("_", " ").lower() for row in range(1000)]
    stored = read_matrix(texts / "text_feature.pth", "text_feature/data/0", "float16")
    vectors = stored.reshape(1000, 512).astype(np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=2e-3)
    right, cosine = nearest_is_itself(names, vectors, lvis)
    assert right.all() and len(right) == 159
    assert cosine.mean() == pytest.approx(0.970, abs=0.001)


def test_cifar100s_classes_are_in_the_order_of_their_list_alone(texts, lvis):
    path, listed = texts / "cifarfs_anchors.npy", texts / "cifarfs_classes.txt"
    vectors = read_vectors(path, listed, {"normalised": False})
    lengths = [np.linalg.norm(vector) for vector in vectors.values()]
    assert np.mean(lengths) == pytest.approx(9.47, abs=0.01)
    right, cosine = nearest_is_itself(list(vectors), list(vectors.values()), lvis)
    assert right.all() and cosine.mean() == pytest.approx(0.977, abs=0.001)
    # CIFAR-100's own order is the alphabet.
    right, _ = nearest_is_itself(sorted(vectors), list(vectors.values()), lvis)
    assert not right.any() and len(right) == 38


def test_they_are_of_the_space_of_the_papers_own_captions(texts, lvis, released):
    """Mean cosines that were measured beside the files: .51 with captions of the same tower, less
    with its pictures."""
    images, captions = released("clip")
    stored = read_matrix(texts / "text_feature.pth", "text_feature/data/0", "float16")
    vectors = stored.reshape(1000, 512).astype(np.float64)
    assert cosines(captions, vectors).mean() == pytest.approx(0.51, abs=0.005)
    assert cosines(images, vectors).mean() == pytest.approx(0.18, abs=0.005)


def test_pictures_that_the_authors_embedded_are_called_by_their_name(mirror, coco, released):
    """Of 17 of COCO's photographs the authors' own image vectors are known by their rows; the
    captions of six agree on a name of what fills the picture."""
    images, _ = released("clip")
    rows = {117645: 348, 194875: 185, 262440: 278, 249025: 22, 116479: 29, 531134: 299}
    folder = mirror / "coco"
    files = {"annotations": folder / "captions_val2017.json", "pictures": folder / "val2017.zip"}
    pictures = read_coco_names({key: str(path) for key, path in (files | {"names": COCO}).items()},
                               leave_out="person")  # fmt: skip
    labels = {int(Path(row["item_id"]).stem): row["label"] for row in pictures}
    assert len(labels) == 83
    names = [name for name in coco if name != "person"]
    similarity = cosines(images[list(rows.values())], [coco[name] for name in names])
    assert [names[place] for place in similarity.argmax(axis=1)] == [labels[i] for i in rows]


# --- the encoder ----------------------------------------------------------------------------------


def spec(**changes):
    entry = {"file": "a.npy", "names": "a.txt", "normalised": True}
    return {"library": "vectors", "prompts": "one", "vectors": [entry]} | changes


def table(folder, name, names, vectors):
    paths = folder / f"{name}.npy", folder / f"{name}.txt"
    np.save(paths[0], np.asarray(vectors, dtype=np.float32))
    paths[1].write_text("".join(f"{one}\n" for one in names), encoding="utf-8")
    return [str(path) for path in paths]


def build(tables, **changes):
    return build_encoder(spec(**changes), "text", {"tables": tables})


def test_texts_are_looked_up_and_the_first_file_counts(tmp_path):
    entry = spec()["vectors"][0]
    tables = [
        *table(tmp_path, "a", ["car", "boat"], np.eye(3)[:2]),
        *table(tmp_path, "b", ["boat", "frog"], np.eye(3)[1:][::-1]),
    ]
    encoder = build(tables, vectors=[entry, entry], aliases={"ship": "boat"})
    texts = ["frog", "ship", "car", "boat"]
    found = encoder.encode([encoder.prepare(text) for text in texts])
    assert found.dtype == np.float32 and found.argmax(axis=1).tolist() == [1, 1, 0, 1]
    assert encoder.metadata["weights"] == "a.npy, b.npy"
    assert encoder.metadata["architecture"] is None and encoder.metadata["dtype"] == "float32"
    assert encoder.metadata["preprocessing"] == "looked up by name; made of one"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gray whale", "'gray whale'. The nearest name is 'grey whale'; give it under `aliases`."),
        ("FROGG", "'FROGG'. The nearest names are 'frog' and 'grey frog'; give one of them under"),
        ("grey", "The nearest names are 'grey frog' and 'grey whale'; give one of them under `ali"),
        ("automobile", "The nearest name is 'car (automobile)'; give it under `aliases`."),
        ("a photo of zzz.", 'or for a similar name. Set the prompt to "{}", the name alone.'),
    ],
)
def test_an_unknown_name_is_refused_with_those_nearest_to_it(tmp_path, text, words):
    names = ["grey whale", "grey frog", "car (automobile)", "frog"]
    encoder = build(table(tmp_path, "a", names, np.eye(4)))
    with pytest.raises(InputError) as caught:
        encoder.prepare(text)
    assert words in str(caught.value) and "a.npy has no vector for" in str(caught.value)
    two = table(tmp_path, "a", names, np.eye(4)), table(tmp_path, "b", names, np.eye(4))
    with pytest.raises(InputError, match=r"a\.npy and \S+b\.npy have no vector for"):
        build([*two[0], *two[1]], vectors=2 * spec()["vectors"]).prepare(text)


@pytest.mark.parametrize("text", ["frog", "frogg"])  # part of the names, and like the names
def test_at_most_three_names_are_told(tmp_path, text):
    names = ["frog a", "frog b", "frog c", "frog d", "frog e"]
    encoder = build(table(tmp_path, "a", names, np.eye(5)))
    with pytest.raises(InputError) as caught:
        encoder.prepare(text)
    assert sum(repr(name) in str(caught.value) for name in names) == 3


def test_an_encoder_of_finished_vectors_is_called_by_its_label_or_its_library(tmp_path):
    tables = table(tmp_path, "a", ["frog"], np.eye(1))
    assert build(tables).metadata["model"] == "vectors"
    assert build(tables, label="CLIP").metadata["model"] == "CLIP"


def test_a_path_without_a_file_is_a_fault_and_the_name_of_an_asset_is_not(tmp_path):
    there = tmp_path / "there.npy"
    there.touch()
    entry = {"vectors": [{"file": str(there), "names": "asset"}]}
    assert list(vectors_faults("encoders.x", entry)) == []
    for absent in ("absent/names.txt", str(tmp_path)):  # a folder is no file
        entry["vectors"][1:] = [{"file": "asset", "names": absent}]
        assert list(vectors_faults("encoders.x", entry)) == [
            f"encoders.x.vectors is {absent!r}, which is not a file in {Path.cwd()}; correct the "
            "path."
        ]


def test_finished_vectors_embed_no_noise_and_no_picture(tmp_path):
    tables = table(tmp_path, "a", ["frog"], np.eye(1))
    with pytest.raises(InputError, match="cannot embed noise; give inputs without noise"):
        build(tables).noise(np.random.default_rng(0))
    with pytest.raises(InputError, match="vectors cannot embed the modality image"):
        build_encoder(spec(), "image", {"tables": tables})


def test_files_of_two_towers_are_not_mixed(tmp_path):
    entry = spec()["vectors"][0]
    tables = [
        *table(tmp_path, "a", ["car"], np.eye(3)[:1]),
        *table(tmp_path, "b", ["frog"], np.eye(2)[:1]),
    ]
    with pytest.raises(InputError, match=r"different dimensions\. Give files from one text tower"):
        build(tables, vectors=[entry, entry])


# --- files that are refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "vectors", "entry", "words"),
    [
        (
            ["a", "b"],
            np.eye(3),
            UNIT,
            "3 rows, but .* lists 2 names. List one name per row",
        ),
        (["a", "b"], np.eye(4), UNIT, "4 rows, but .* lists 2 names"),
        (["a", "a", "b"], np.eye(3), UNIT, "the name 'a' occurs 2 times. Keep one of them."),
        (["a", "b"], 9.7 * np.eye(2), UNIT, "are 9.7 to 9.7. Set `normalised` to false"),
        (["a", "b"], np.eye(2), {"normalised": False}, "Set `normalised` to true"),
        (["a", "b"], np.diag([1, 1.01]), UNIT, "are 1 to 1.01. Set `normalised` to false"),
        (["a", "b"], np.diag([1, 0.5]), UNIT, "are 0.5 to 1. Set `normalised` to false"),
        (["a", "b"], np.diag([1.001, 0.999]), {"normalised": False}, "`normalised` to true"),
        (["a", "b"], np.diag([1.0, 0.0]), UNIT, "all zeros or not finite. Make the file again."),
        (["a", "b"], np.diag([1.0, np.nan]), UNIT, "all zeros or not finite. Make the file again."),
        ([], np.eye(2), UNIT, "the file contains no name. Write one name per line"),
        (["a"], np.ones(3), UNIT, "the array is not a matrix of real numbers"),
    ],
)
def test_a_file_that_is_not_as_said_is_refused(tmp_path, names, vectors, entry, words):
    files = table(tmp_path, "a", names, vectors)
    with pytest.raises(InputError, match=words) as refused:
        read_vectors(*files, entry)
    about_names = re.search("the name |no name", words)
    assert str(refused.value).startswith(f"{files[1 if about_names else 0]}: ")


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "objects.npy"
    unread = re.escape(f"{path}: no vectors can be read from this file (")
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=unread):
        read_matrix(path)
    np.savez(path.open("wb"), a=np.eye(2))
    with pytest.raises(InputError, match=re.escape(f"{path}: the array is not a matrix of")):
        read_matrix(path)
    path.write_bytes(b"not an array")
    with pytest.raises(InputError, match=unread):
        read_matrix(path)
    with pytest.raises(InputError, match=unread):
        read_matrix(path, "data/0")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/0", np.eye(2, dtype="<f4").tobytes())
    assert read_matrix(path, "data/0").tolist() == [[1, 0, 0, 1]]
    with pytest.raises(InputError, match=r"absent\.txt.* cannot be read as a list of names"):
        read_names(tmp_path / "absent.txt")


def test_a_member_of_an_archive_has_one_row_per_name_in_its_own_number_type(tmp_path):
    numbers = np.array([[1, 2, 3], [4, 5, 6]], dtype="<f2")
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a/data/0", numbers.tobytes())
    (tmp_path / "a.txt").write_text("owl\ntit\n")
    entry = {"member": "a/data/0", "type": "float16", "normalised": False}
    found = read_vectors(tmp_path / "a.pth", tmp_path / "a.txt", entry)
    assert {name: vector.tolist() for name, vector in found.items()} == {
        "owl": [1, 2, 3],
        "tit": [4, 5, 6],
    }
    assert {vector.dtype for vector in found.values()} == {np.dtype(np.float32)}
    (tmp_path / "a.txt").write_text("owl\ntit\njay\nelk\n")
    with pytest.raises(InputError, match=r"`member` holds 6 .* the 4 names .* Correct the names"):
        read_vectors(tmp_path / "a.pth", tmp_path / "a.txt", entry)


# --- photographs by the name on which their captions agree ----------------------------------------


@pytest.mark.parametrize(
    ("captions", "name"),
    [
        (["A dog.", "Two dogs", "the DOG"], "dog"),
        (["A dog.", "Two dogs", "a cat"], None),
        (["A hot dog.", "hot dogs", "one hot dog"], "hot dog"),
        (["A dog and a bus", "dogs, buses", "the dog by a bus"], None),
        (["dogged", "underdog", "dog-eared dog"], None),
        (["dogged", "a dogmatic man", "a doggy bag"], None),
        (["A bus stop", "the bus stop", "at a bus stop"], "bus stop"),
        (["A TV.", "the tv", "two tvs"], "TV"),
        (["A dog in a bus", "dogs", "dog"], "dog"),
    ],
)
def test_captions_agree_on_one_name(captions, name):
    assert named_by(captions, ["dog", "hot dog", "bus", "bus stop", "cat", "TV"], least=3) == name


def test_pictures_come_with_the_name_on_which_enough_of_their_captions_agree(tmp_path):
    captions = {
        1: ["a dog", "dogs", "the dog"],
        2: ["a cat", "cats", "no pet"],
        3: ["a dog"] * 3,  # without a picture
        4: ["a person with a dog"] * 3,
    }
    document = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in captions],
        "annotations": [
            {"image_id": n, "caption": one} for n, of in captions.items() for one in of
        ],
    }
    files = {role: str(tmp_path / role) for role in ("annotations.json", "pictures", "names")}
    files["annotations"] = files.pop("annotations.json")
    Path(files["annotations"]).write_text(json.dumps(document))
    Path(files["names"]).write_text("dog\n\nperson \ncat\n")
    with zipfile.ZipFile(files["pictures"], "w") as archive:
        for number in (4, 2, 1):
            archive.writestr(f"val/{number}.jpg", f"picture {number}")

    def found(**options: object) -> list[tuple]:
        return [tuple(row.values()) for row in read_coco_names(files, **options)]

    one, two, four = ("1", b"picture 1", "dog"), ("2", b"picture 2", "cat"), ("4", b"picture 4")
    assert found() == [one]
    assert found(leave_out="person") == [one, (*four, "dog")]
    assert found(least=2, leave_out="dog") == [two, (*four, "person")]
    Path(files["names"]).write_text("bus\n")
    with pytest.raises(InputError, match=r"no picture whose captions agree on a name in .*names"):
        found()
