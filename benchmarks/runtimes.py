"""Float towers in ONNX Runtime and in OpenVINO against torch, in float32 on the CPU.

The towers are those that the workflow runs, with random weights: CLIP's image tower ViT-B/16 (and
ViT-B/32), CLIP's text tower, and MiniLM. Each is exported to ONNX once, and both runtimes read that
file. They get the same batch and as many threads as torch (those of an extraction, half of the
cores). OpenVINO is set to float32, as it would choose bfloat16 on some processors.

A round runs every way once on one batch, in an order that moves on, after two passes that are not
counted. A ratio is of one round, so that other work on the machine slows all; that of processor
time says more where there is much of it, as threads that wait for one another then wait longer. The
cosines are those of a batch's embeddings to torch's.

onnx, onnxruntime and openvino are needed; without one of them nothing is measured. Writes
results/bench/runtimes.csv.
"""

import argparse
import io
import logging
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from bench import CORES, FOLDER, Clock, measured, save, say

from modality_gap.embeddings.sets import normalise
from modality_gap.encoders.minilm_model import MiniLM
from modality_gap.encoders.open_clip import load_open_clip

PACKAGES = ("onnx", "onnxruntime", "openvino")
# The sentence transformer's own sizes; its file is not needed for its speed.
MINILM = {
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 30522,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "initializer_range": 0.02,
}
WORDS = 16  # tokens of a caption for MiniLM, which has no fixed number
UNCOUNTED = 2  # passes of each way before the rounds: memory is reserved, kernels are chosen
TIMES, COSINE = "times torch", "lowest cosine to torch"
Way = Callable[[], np.ndarray]


class Text(torch.nn.Module):
    """CLIP's text tower as a model of its own."""

    def __init__(self, clip: torch.nn.Module):
        super().__init__()
        self.clip = clip

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.clip.encode_text(tokens)


def towers(names: list[str]) -> dict[str, tuple[torch.nn.Module, Callable]]:
    """By name a tower with random weights, and what draws a batch of its inputs."""

    def picture(size: int) -> Callable:
        return lambda n: (torch.randn(n, 3, size, size),)

    def sentences(n: int) -> tuple[torch.Tensor, ...]:
        # As tokenised: a start, words, the end, which has the highest number, and padding.
        tokens = torch.randint(1, 49_000, (n, 77))
        tokens[:, 0], tokens[:, WORDS], tokens[:, WORDS + 1 :] = 49_406, 49_407, 0
        return (tokens,)

    def words(n: int) -> tuple[torch.Tensor, ...]:
        tokens = torch.randint(1, MINILM["vocab_size"], (n, WORDS))
        return tokens, torch.ones(n, WORDS, dtype=torch.bool)

    def clip(architecture: str) -> torch.nn.Module:
        return load_open_clip({"architecture": architecture}, {"seed": 0})[0]

    def minilm() -> torch.nn.Module:
        torch.manual_seed(0)
        return MiniLM(MINILM).eval()

    known = {
        "ViT-B/16 image": lambda: (clip("ViT-B-16-quickgelu").visual, picture(224)),
        "ViT-B/32 image": lambda: (clip("ViT-B-32").visual, picture(224)),
        "ViT-B/32 text": lambda: (Text(clip("ViT-B-32")), sentences),
        "MiniLM text": lambda: (minilm(), words),
    }
    return {name: known[name]() for name in names or known}


def exported(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> bytes:
    """The model in ONNX, for this shape of inputs."""
    file = io.BytesIO()
    # torch's fused kernel for attention has no counterpart in ONNX.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():  # the exporter is deprecated; the other needs onnxscript
            warnings.simplefilter("ignore")
            names = [f"input_{number}" for number in range(len(inputs))]
            torch.onnx.export(
                model, inputs, file, input_names=names, dynamo=False, opset_version=18
            )
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return file.getvalue()


def torch_way(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Way:
    """As the workflow does it: pictures with channels last."""

    @torch.inference_mode()
    def run() -> np.ndarray:
        batch = [
            one.contiguous(memory_format=torch.channels_last) if one.ndim == 4 else one
            for one in inputs
        ]
        return model(*batch).numpy()

    return run


def onnx_way(file: bytes, inputs: tuple[torch.Tensor, ...], threads: int) -> Way:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    feed = {name: one.numpy() for name, one in zip(names, inputs, strict=False)}
    return lambda: session.run(None, feed)[0]


def openvino_way(file: bytes, inputs: tuple[torch.Tensor, ...], threads: int) -> Way:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    settings |= {"PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(core.read_model(file, b""), "CPU", settings)
    feed = [one.numpy() for one in inputs][: len(compiled.inputs)]
    return lambda: compiled(feed)[compiled.output(0)]


def compare(
    subject: str, model: torch.nn.Module, draw: Callable, settings: argparse.Namespace
) -> list[dict]:
    """The rows of one tower."""
    torch.manual_seed(settings.seed)
    inputs = draw(settings.batch_size)
    file = exported(model, inputs)
    ways = {
        "torch": torch_way(model, inputs),
        "ONNX Runtime": onnx_way(file, inputs, settings.threads),
        "OpenVINO": openvino_way(file, inputs, settings.threads),
    }
    found = {name: [way() for _ in range(UNCOUNTED)][-1] for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    processors: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(settings.rounds):
        order = [*ways][number % len(ways) :] + [*ways][: number % len(ways)]
        for name in order:
            clock = Clock()
            ways[name]()
            seconds[name].append(clock.seconds())
            processors[name].append(clock.processor_seconds())
    n, rows = settings.batch_size, []
    for name, values in seconds.items():
        rates = [n / value for value in values]
        rows.append(measured(f"{subject}, {name}", "items per second", rates, "items/s", n))
        if name == "torch":
            continue
        for quantity, of in ((TIMES, seconds), (f"{TIMES}, by processor time", processors)):
            ratios = [own / value for own, value in zip(of["torch"], of[name], strict=True)]
            rows.append(measured(f"{subject}, {name}", quantity, ratios, "ratio", n))
        lowest = (normalise(found[name]) * normalise(found["torch"])).sum(axis=1).min()
        rows.append(measured(f"{subject}, {name}", COSINE, float(lowest), "cosine", n))
        say(f"{subject}: {name} {rows[-3]['value']:.2f} times torch, cosine {lowest:.9f}")
    return rows


def missing() -> list[str]:
    """The packages that are needed and are not there."""
    return [name for name in PACKAGES if find_spec(name) is None]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--towers", nargs="*", default=[])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=max(1, CORES // 2))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    settings = parser.parse_args(arguments)
    if absent := missing():
        say(f"left out: it needs {' and '.join(absent)} (`uv pip install {' '.join(absent)}`).")
        return
    logging.disable(logging.WARNING)  # open_clip warns that random weights are random
    torch.set_num_threads(settings.threads)
    rows = [
        row
        for name, (model, draw) in towers(settings.towers).items()
        for row in compare(name, model, draw, settings)
    ]
    runtimes = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    save("runtimes", rows, settings.folder, runtimes=runtimes, threads=str(settings.threads))


if __name__ == "__main__":
    main()
