"""Text encoders of the library transformers, from a folder or a hub."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modality_gap.config.declarations import Library
from modality_gap.config.text_models import (
    Dense,
    TextPipeline,
    folder_fault,
    pipeline_of,
    reader_of,
    tokenizer_fault,
)
from modality_gap.encoders.base import (
    Encoder,
    Network,
    choose_device,
    dtype_of,
    hub_remedy,
    padded,
    torch_encode,
    weights_metadata,
)
from modality_gap.encoders.minilm import NOISE_TOKENS
from modality_gap.encoders.text_towers import TextTower, load_text_tower
from modality_gap.errors import InputError

if TYPE_CHECKING:
    import torch

PREPROCESSING = {"text": "the model's tokenizer, {pipeline}"}


def hugging_face_faults(key: str, entry: Mapping) -> Iterator[str]:
    """The faults of a model's folder: it does not exist, lacks files, or requires something that is
    not supported."""
    model = entry["model"]
    if model.startswith(("/", "./", "../", "~")) and not Path(model).is_dir():
        yield f"{key}.model is {model!r}, which is not a folder in {Path.cwd()}; correct it."
    if fault := folder_fault(model, entry.get("options", {}).get("pooling")):
        yield f"{key}.model: {fault}"


def build_hugging_face(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """A text encoder of the library transformers, from its folder or the hub. Its files or the
    configuration say how it is pooled. Only weights in safetensors are read, and only code of the
    library is run."""
    import torch

    name = spec["model"]
    pipeline, tower, tokenizer, revision, layers = _load(name, spec.get("pooling"), weights)
    if "folder" in weights and revision:
        weights = {"tag": f"{name}, revision {revision}"}
    device = choose_device()
    dtype = dtype_of(precision)
    tower.model.to(device=device, dtype=dtype).eval()
    behind = torch.nn.Sequential(*layers).to(device).eval()
    prepare, length, skipped = _preparation(pipeline, tower, tokenizer)

    def forward(tokens: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        states, own = tower.read(tokens, mask)
        if pipeline.pooling == ("own",):
            if own is None or own.ndim != 2:
                raise InputError(
                    f"encoders: {name!r} has no pooler; set options.pooling to `mean`."
                )
            return behind(own.float())
        if states is None:
            raise InputError(
                f"encoders: {name!r} gives no vectors of tokens; set options.pooling to `own`."
            )
        counted = mask & (torch.arange(mask.shape[1], device=device) >= skipped)
        return behind(pool(states.float(), counted, pipeline.pooling))

    collate = padded(device, tokenizer.pad_token_id or 0)
    network = Network(collate, forward, (tower.model, behind), ragged=True)
    tokens = min(NOISE_TOKENS, length)
    preprocessing = PREPROCESSING[modality].format(pipeline=pipeline.described())
    return Encoder(
        prepare=prepare,
        encode=torch_encode(network),
        network=network,
        noise=lambda rng: torch.from_numpy(rng.integers(0, tower.config.vocab_size, tokens)),
        metadata=weights_metadata(spec, weights, preprocessing, dtype),
    )


def _load(
    name: str, pooling: str | None, weights: dict
) -> "tuple[TextPipeline, TextTower, Any, str | None, list[torch.nn.Module]]":
    """The pipeline, text tower, tokenizer, revision and last layers of a model. Raises InputError
    if one of them is missing or does not fit the others."""
    from transformers import AutoConfig, AutoTokenizer

    if fault := folder_fault(name, pooling):
        raise InputError(f"encoders: {fault}")
    try:
        pipeline = pipeline_of(name, _hugging_face_reader(name, pooling), pooling)
        there: dict[str, Any] = {"trust_remote_code": False}
        if pipeline.transformer:
            there["subfolder"] = pipeline.transformer
        config = AutoConfig.from_pretrained(name, **there)
        tokenizer = AutoTokenizer.from_pretrained(name, **there)
        tower = load_text_tower(name, config, tokenizer, weights.get("seed"), there)
        layers = [_hugging_face_layer(name, layer, weights) for layer in pipeline.layers]
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"encoders: cannot read the Hugging Face model {name!r} ({reason:.300}); give the path "
            "of a folder with config.json, a tokenizer and model.safetensors; or give the name on "
            f"a hub, and {hub_remedy()}."
        ) from error
    if tower.joint and pooling is None and not pipeline.declared:
        pipeline = replace(pipeline, pooling=("own",))
    _check_loaded(name, pipeline.pooling, tower.missing)
    if tower.rows and (fault := tokenizer_fault(tokenizer, tower.rows)):
        raise InputError(
            f"encoders: {name!r} is incomplete: {fault}; add the tokenizer that the model was "
            "trained with."
        )
    return pipeline, tower, tokenizer, getattr(config, "_commit_hash", None), layers


def _check_loaded(name: str, pooling: tuple[str, ...], missing: tuple[str, ...]) -> None:
    """Raise InputError if weights are missing, because transformers replaces them by random
    weights."""
    absent = [key for key in missing if pooling == ("own",) or "pooler" not in key]
    if absent:
        raise InputError(
            f"encoders: the weights of {name!r} lack {', '.join(sorted(absent)[:3])}; "
            + (
                "set options.pooling to `mean`."
                if "pooler" in absent[0]
                else "download them again."
            )
        )


def _preparation(
    pipeline: TextPipeline, tower: TextTower, tokenizer: Any
) -> tuple[Callable, int, int]:
    """Returns a function from a sentence to its token ids (t,), the largest t, and the number of
    tokens of the prompt that the pooling skips."""
    import torch

    # A tokenizer without a limit has a very large number here.
    length = min(
        tokenizer.model_max_length,
        getattr(tower.config, "max_position_embeddings", 512),
        pipeline.max_length or sys.maxsize,
    )
    skipped = 0
    if pipeline.prompt and not pipeline.prompt_counts:
        alone = tokenizer(pipeline.prompt)["input_ids"]
        skipped = len(alone) - (alone[-1] in tokenizer.all_special_ids)

    def prepare(text: str) -> torch.Tensor:
        text = pipeline.prompt + text
        text = text.lower() if pipeline.lower_case else text
        padding = "max_length" if tower.whole_length else False
        ids = tokenizer(text, truncation=True, max_length=length, padding=padding)["input_ids"]
        return torch.tensor(ids)

    return prepare, length, skipped


def pool(hidden: "torch.Tensor", mask: "torch.Tensor", ways: tuple[str, ...]) -> "torch.Tensor":
    """Vectors (b, d), pooled from the token states `hidden` (b, t, d). `mask` (b, t) is true for
    the tokens to use. If there are several `ways`, their vectors are concatenated: (b, d *
    len(ways)). Source: Sentence Transformers' Pooling."""
    import torch

    counted = mask[..., None].float()
    rows = torch.arange(hidden.shape[0], device=hidden.device)
    places = torch.arange(1, hidden.shape[1] + 1, device=hidden.device)[None, :, None] * counted
    pooled = {
        "first": lambda: hidden[:, 0],
        "max": lambda: hidden.masked_fill(~mask[..., None], -torch.inf).amax(1),
        "mean": lambda: (hidden * counted).sum(1) / counted.sum(1),
        "mean_sqrt_len": lambda: (hidden * counted).sum(1) / counted.sum(1).sqrt(),
        "weighted_mean": lambda: (hidden * places).sum(1) / places.sum(1),
        "last": lambda: hidden[rows, places[..., 0].argmax(1)],
    }
    return torch.cat([pooled[way]() for way in ways], dim=1)


def _hugging_face_reader(name: str, pooling: str | None) -> Callable[[str], Any]:
    """Returns a function that reads a JSON file of a model, in its folder or on the hub. The
    function returns None if there is no such file.

    It raises InputError if the hub is unreachable, because a file that is not in the cache may
    exist on the hub. If `pooling` is set in the configuration, it returns None instead.
    """
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
                f"encoders: {file} of {name!r}, which may say how to pool, cannot be downloaded. "
                f"Give the path of the model's folder, set options.pooling, or {hub_remedy()}."
            ) from error
        return path and json.loads(Path(path).read_text(encoding="utf-8"))

    return read


def _normalise_layer() -> "torch.nn.Module":
    import torch

    class Normalise(torch.nn.Module):
        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            return torch.nn.functional.normalize(x)

    return Normalise()


def _hugging_face_layer(name: str, layer: Dense | str, weights: dict) -> "torch.nn.Module":
    """A layer after the pooling. Its weights are those of the model, or random if `weights` is a
    seed."""
    import torch

    if not isinstance(layer, Dense):
        return _normalise_layer()
    from safetensors.torch import load_file
    from transformers.utils import cached_file

    linear = torch.nn.Linear(layer.inputs, layer.outputs, layer.bias)
    if "seed" not in weights:
        stored = load_file(str(cached_file(name, f"{layer.path}/model.safetensors")))
        linear.load_state_dict({key.removeprefix("linear."): stored[key] for key in stored})
    return torch.nn.Sequential(linear, getattr(torch.nn, layer.activation)())


LIBRARY = Library(
    build=build_hugging_face,
    preprocessing=PREPROCESSING,
    shared=("seed", "seeds"),
    keys={
        "model": {
            "description": "Path of a Hugging Face model's folder, or its name on the hub.",
            "type": "string",
            "pattern": r"\S",
        }
    },
    required=("model",),
    options={
        "pooling": {
            "description": "How the vectors of the tokens are combined: mean, maximum, the "
            "vector of the first or last token, or the model's own pooler. If absent, the files of "
            "the model decide; if they say nothing, it is the mean.",
            "enum": ["mean", "first", "last", "max", "own"],
        }
    },
    faults=hugging_face_faults,
    reads_hub=lambda entry: not Path(entry["model"]).is_dir(),
)
