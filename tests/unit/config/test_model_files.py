"""Files that a model is read from: which there are, and what the metadata say of them."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from modality_gap.config.model_files import file_digests, model_files, tables_of_vectors
from modality_gap.encoders.base import describe_weights


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A model's folder as a hub's client leaves it, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "1_Pooling/config.json",
        ".cache/huggingface/download/config.json.lock",
        ".gitattributes",
    ):
        Path("bge", name).parent.mkdir(parents=True, exist_ok=True)
        Path("bge", name).write_text(name)
    return Path("bge")


FILES = ["1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.json"]


def test_a_folder_stands_for_all_files_in_it(folder):
    files = [f"bge/{name}" for name in FILES]
    assert model_files({"library": "hugging_face", "model": "bge"}) == files
    assert model_files({"library": "hugging_face", "model": "./bge/"}) == files
    assert model_files({"library": "hugging_face", "model": "someone/bge"}) == []
    assert model_files({"library": "open_clip", "architecture": "local-dir:bge"}) == files
    assert model_files({"library": "open_clip", "architecture": "hf-hub:bge"}) == []
    # Some keep what many models share in one place.
    Path("bge/1_Pooling").rename("shared_pooling")
    Path("bge/1_Pooling").symlink_to("../shared_pooling")
    assert model_files({"library": "hugging_face", "model": "bge"}) == files


def test_weights_and_architecture_are_files_where_they_are_paths(folder):
    Path("bge.json").write_text(json.dumps({"text_cfg": {"hf_model_name": "bge"}}))
    Path("plain.json").write_text("{}")
    Path("epoch.pt").touch()
    own = {"architecture": "plain.json", "pretrained": "./epoch.pt"}
    assert model_files(own) == ["epoch.pt", "plain.json"]
    assert model_files({"architecture": "bge.json"})[-1] == "bge/tokenizer.json"
    # Names of the library's own, beside folders of these names.
    Path("ViT-B-32").mkdir()
    Path("ViT-B-32", "notes.txt").touch()
    assert model_files({"architecture": "ViT-B-32", "pretrained": "openai"}) == []
    assert model_files({"architecture": "resnet50", "pretrained": True}) == []


def test_what_open_clip_writes_beside_weights_is_read_with_them(folder):
    Path("run").mkdir()
    for name in ("epoch.pt", "open_clip_config.json", "notes.txt"):
        Path("run", name).touch()
    spec = {"architecture": "ViT-B-32", "pretrained": "run/epoch.pt"}
    assert model_files(spec) == ["run/epoch.pt", "run/open_clip_config.json"]


def test_finished_vectors_and_their_names_are_files_where_they_are_paths(folder):
    for name in ("v.npy", "w.npy", "words.txt"):
        Path(name).touch()
    vectors = [{"file": "w.npy", "names": "words.txt"}, {"file": "./v.npy", "names": "asset"}]
    spec = {"library": "vectors", "vectors": vectors}
    assert tables_of_vectors(spec) == ["w.npy", "words.txt", "./v.npy", "asset"]
    assert model_files(spec) == ["./v.npy", "w.npy", "words.txt"]


def test_all_that_an_architecture_names_is_read(folder):
    text = {"hf_model_name": "bge", "hf_tokenizer_name": "words"}
    Path("words").mkdir()
    Path("words", "vocab.txt").touch()
    Path("modèle.json").write_text(json.dumps({"text_cfg": text}))
    files = [*(f"bge/{name}" for name in FILES), "modèle.json", "words/vocab.txt"]
    assert model_files({"architecture": "modèle.json"}) == files
    # What the library will refuse is a file all the same.
    for content in ("{", "[1]", '{"text_cfg": 1}'):
        Path("modèle.json").write_text(content)
        assert model_files({"architecture": "modèle.json"}) == ["modèle.json"]
    Path("modèle.json").unlink()
    assert model_files({"architecture": "modèle.json"}) == []


def test_a_link_that_leads_nowhere_is_no_file(folder):
    Path("bge", "lost.bin").symlink_to("absent")
    assert model_files({"model": "bge"}) == [f"bge/{name}" for name in FILES]


def test_the_order_of_files_is_not_the_file_system_s(folder, monkeypatch):
    listed = os.scandir

    class Backwards:
        def __init__(self, path):
            with listed(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __next__(self):
            if not self.entries:
                raise StopIteration
            return self.entries.pop()

    monkeypatch.setattr(os, "scandir", Backwards)
    assert model_files({"model": "bge"}) == [f"bge/{name}" for name in FILES]


def sha256sum(*paths: str, cwd: str = ".") -> str:
    return subprocess.run(
        ["sha256sum", *paths], cwd=cwd, capture_output=True, text=True, check=True
    ).stdout


def test_metadata_hold_the_digest_of_every_file(folder):
    about = describe_weights({"folder": "bge"})
    lines = dict(reversed(line.split()) for line in sha256sum(*FILES, cwd="bge").splitlines())
    assert about["files_sha256"] == lines
    assert about["weights"] == "bge/model.safetensors"
    assert about["weights_sha256"] == lines["model.safetensors"]
    # Weights in two files: the digest of what sha256sum prints of both.
    (folder / "model-2.safetensors").write_text("more")
    both = sha256sum("model-2.safetensors", "model.safetensors", cwd="bge")
    about = describe_weights({"folder": "bge"})
    assert (about["weights"], about["weights_sha256"]) == (
        "bge",
        hashlib.sha256(both.encode()).hexdigest(),
    )
    name = {"weights": "someone/bge", "weights_sha256": None}
    assert describe_weights({"folder": "someone/bge"}) == name


def test_metadata_hold_the_digest_of_weights_given_as_a_path(folder):
    Path("epoch.pt").write_text("one")
    digest = sha256sum("epoch.pt").split()[0]
    about = {"weights": "epoch.pt", "weights_sha256": digest}
    assert describe_weights({"tag": "./epoch.pt"}) == about
    assert describe_weights({"tag": "openai"}) == {"weights": "openai", "weights_sha256": None}


def test_a_digest_is_of_what_the_file_holds_now(folder):
    Path("epoch.pt").write_text("one")
    one = file_digests(["epoch.pt"])
    Path("epoch.pt").write_text("two")
    os.utime("epoch.pt", (0, 0))
    two = file_digests(["epoch.pt"])
    assert one.keys() == two.keys()
    assert one != two


def test_a_folder_stands_for_its_files(tmp_path):
    for name in ("2-of-2.parquet", "1-of-2.parquet", ".snakemake_timestamp"):
        (tmp_path / name).write_text(name)
    found = file_digests([tmp_path])
    assert [Path(path).name for path in found] == ["1-of-2.parquet", "2-of-2.parquet"]
    assert found == file_digests(found)
