"""Models of a hub: `fetch_model` asks it, and the jobs that embed go without a network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from archive_server import refusing
from conftest import ROOT, copy_project
from model_hub import REVISION, serving

from modality_gap.embeddings.stored import read

TINY = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}
# A tag belongs to the name of an architecture, which an own file may have, too.
ENCODERS = {
    "of_open_clip": {
        "library": "open_clip",
        "architecture": "own/ViT-B-32.json",
        "pretrained": "laion2b_e16",
    },
    "of_timm": {"library": "timm", "architecture": "test_vit", "pretrained": "r160_in1k"},
    "of_transformers": {"library": "hugging_face", "model": "someone/tiny"},
}
ABSENT = {"library": "timm", "architecture": "test_vit2", "pretrained": "r160_in1k"}
FILES = {
    "of_open_clip": "results/embeddings/of_open_clip.digits/image.parquet",
    "of_timm": "results/embeddings/of_timm.digits/image.parquet",
    "of_transformers": "results/embeddings/of_transformers.prompts/text.parquet",
}
# What a script begins with that must ask nobody.
NO_NETWORK = """
import socket

def refuse(*_):
    raise OSError("this job reached for the network")

for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = refuse
"""
# The hub's client asks six times and waits up to eight seconds between.
NO_WAITING = "import time\n\ntime.sleep = lambda _: None\n"


def models(folder: Path) -> dict[str, dict[str, bytes]]:
    """Small models as the hub holds them, by repository. Their last layer norm gives 1, 2, 3, ...
    whatever they see, so that every embedding is known and no random weights have it."""
    import open_clip
    import timm
    import torch
    import transformers
    from safetensors.torch import save

    def counting(norm) -> None:
        torch.nn.init.zeros_(norm.weight)
        norm.bias.data = torch.arange(1.0, len(norm.bias) + 1)

    open_clip.add_model_config(folder / "own")
    clip = open_clip.create_model("ViT-B-32", load_weights=False)
    counting(clip.visual.ln_post)
    clip.visual.proj.data = torch.eye(*clip.visual.proj.shape)
    vit = timm.create_model("test_vit")
    counting(vit.norm)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "dog"]
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32,
    )  # fmt: skip
    bert = transformers.BertModel(config)
    counting(bert.encoder.layer[-1].output.LayerNorm)
    saved = folder / "tiny"
    bert.save_pretrained(saved)
    (saved / "vocab.txt").write_text("\n".join(words))
    about = {"tokenizer_class": "BertTokenizer", "model_max_length": 32}
    (saved / "tokenizer_config.json").write_text(json.dumps(about))
    return {
        "timm/vit_base_patch32_clip_224.laion2b_e16": {
            "open_clip_model.safetensors": save(clip.state_dict())
        },
        "timm/test_vit.r160_in1k": {"model.safetensors": save(vit.state_dict())},
        "someone/tiny": {path.name: path.read_bytes() for path in saved.iterdir()},
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A copy of the project whose configuration has an encoder of each library from the hub."""
    folder = tmp_path_factory.mktemp("hub")
    copy_project(folder, ROOT / "resources")
    (folder / "own").mkdir()
    (folder / "own" / "ViT-B-32.json").write_text(json.dumps(TINY))
    (folder / "own.yaml").write_text(
        yaml.safe_dump({"encoders": {**ENCODERS, "of_absent": ABSENT}})
    )
    return folder


def snakemake(folder: Path, hub: str, *targets: str) -> subprocess.CompletedProcess:
    """Snakemake in the copy, with a cache of its own in place of the user's."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("HF_", "MODALITY"))
    }
    environment |= {"HF_ENDPOINT": hub, "HF_HOME": str(folder / "cache"), "NO_PROXY": "127.0.0.1"}
    words = ["snakemake", "--cores", "2", "--configfile", "tests/small.yaml", "own.yaml", "--"]
    return subprocess.run(
        [sys.executable, "-m", *words, *targets],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_what_comes_from_a_hub_is_fetched_by_a_local_rule_and_embedded_without_a_network(folder):
    records = [f"resources/hub/{name}.json" for name in ENCODERS]
    with serving(models(folder)) as hub:
        fetched = snakemake(folder, hub.url, *records)
        assert fetched.returncode == 0, fetched.stdout
        assert fetched.stdout.count("localrule fetch_model") == len(ENCODERS)
        assert hub.asked
        hub.asked.clear()
        script = folder / "scripts/embeddings/extract_embeddings.py"
        script.write_text(NO_NETWORK + script.read_text())
        run = snakemake(folder, hub.url, *FILES.values())
        assert run.returncode == 0, run.stdout
        assert hub.asked == []
    assert "fetch_model" not in run.stdout
    about = json.loads((folder / records[2]).read_text())["text"]
    assert about["weights"] == f"someone/tiny, revision {REVISION}"
    for path in FILES.values():
        vectors = read(folder / path).vectors
        np.testing.assert_array_equal(
            vectors, np.tile(np.arange(1, vectors.shape[1] + 1), (len(vectors), 1)), path
        )


def test_a_hub_that_is_silent_is_told_by_the_rule_that_asks_it(folder):
    script = folder / "scripts/sources/fetch_model.py"
    script.write_text(NO_WAITING + script.read_text())
    with refusing() as url:
        run = snakemake(folder, url, "resources/hub/of_absent.json")
    assert run.returncode == 1
    assert (
        "encoders: could not download the pretrained weights of test_vit2.r160_in1k" in run.stdout
    )
    assert "check that the model hub is reachable" in run.stdout
