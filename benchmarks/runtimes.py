"""Float towers in ONNX Runtime, and in OpenVINO if it is installed, against torch.

All compute in float32 on the CPU. The towers are those that the workflow runs, with random weights:
CLIP's image towers ViT-B/16 and ViT-B/32, CLIP's text tower, and MiniLM. ONNX Runtime runs them as
with `extraction.precision: float32_onnx`; OpenVINO reads the same exported model. All get the same
batch and as many threads as torch (those of an extraction, half of the cores). OpenVINO is set to
float32, as it would choose bfloat16 on some processors.

A round runs every way once on one batch, in an order that moves on, after two passes that are not
counted. A ratio is of one round, so that other work on the machine slows all; that of processor
time says more where there is much of it, as threads that wait for one another then wait longer. The
cosines are those of a batch's embeddings to torch's.

Writes results/bench/runtimes.csv.
"""

import argparse
import logging
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from bench import CORES, FOLDER, Clock, measured, save, say

from modality_gap.embeddings.sets import normalise
from modality_gap.encoders.base import Network, fixed_size, padded, torch_encode
from modality_gap.encoders.minilm_model import MiniLM
from modality_gap.encoders.onnx_runtime import export, start_session
from modality_gap.encoders.open_clip import load_open_clip

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


CPU = torch.device("cpu")


def towers(names: list[str]) -> dict[str, tuple[Network, Callable]]:
    """By name a tower with random weights, and what draws a list of its inputs."""

    def picture(size: int) -> Callable:
        return lambda n: [*torch.randn(n, 3, size, size)]

    def sentences(n: int) -> list[torch.Tensor]:
        # As tokenised: a start, words, the end, which has the highest number, and padding.
        tokens = torch.randint(1, 49_000, (n, 77))
        tokens[:, 0], tokens[:, WORDS], tokens[:, WORDS + 1 :] = 49_406, 49_407, 0
        return [*tokens]

    def words(n: int) -> list[torch.Tensor]:
        return [*torch.randint(1, MINILM["vocab_size"], (n, WORDS))]

    def clip(architecture: str, modality: str) -> Network:
        model = load_open_clip({"architecture": architecture}, {"seed": 0})[0]
        forward = {"image": model.encode_image, "text": model.encode_text}[modality]
        return Network(fixed_size(CPU, torch.float32), forward, (model,))

    def minilm() -> Network:
        torch.manual_seed(0)
        model = MiniLM(MINILM).eval()
        return Network(padded(CPU), model, (model,), ragged=True)

    known = {
        "ViT-B/16 image": lambda: (clip("ViT-B-16-quickgelu", "image"), picture(224)),
        "ViT-B/32 image": lambda: (clip("ViT-B-32", "image"), picture(224)),
        "ViT-B/32 text": lambda: (clip("ViT-B-32", "text"), sentences),
        "MiniLM text": lambda: (minilm(), words),
    }
    return {name: known[name]() for name in names or known}


def torch_way(network: Network, inputs: list[torch.Tensor]) -> Way:
    """As the workflow does it."""
    encode = torch_encode(network)
    return lambda: encode(inputs)


def onnx_way(file: bytes, arguments: tuple[torch.Tensor, ...]) -> Way:
    """As the workflow does it with `extraction.precision: float32_onnx`."""
    session = start_session(file)
    names = [one.name for one in session.get_inputs()]
    feed = {name: one.numpy() for name, one in zip(names, arguments, strict=False)}
    return lambda: session.run(None, feed)[0]


def openvino_way(file: bytes, arguments: tuple[torch.Tensor, ...], threads: int) -> Way:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    settings |= {"PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(core.read_model(file, b""), "CPU", settings)
    feed = [one.numpy() for one in arguments][: len(compiled.inputs)]
    return lambda: compiled(feed)[compiled.output(0)]


def compare(
    subject: str, network: Network, draw: Callable, settings: argparse.Namespace
) -> list[dict]:
    """The rows of one tower."""
    torch.manual_seed(settings.seed)
    inputs = draw(settings.batch_size)
    file, arguments = export(network, inputs), network.collate(inputs)
    ways = {"torch": torch_way(network, inputs), "ONNX Runtime": onnx_way(file, arguments)}
    if find_spec("openvino"):
        ways["OpenVINO"] = openvino_way(file, arguments, settings.threads)
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


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--towers", nargs="*", default=[])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=max(1, CORES // 2))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    settings = parser.parse_args(arguments)
    logging.disable(logging.WARNING)  # open_clip warns that random weights are random
    torch.set_num_threads(settings.threads)
    rows = [
        row
        for name, (network, draw) in towers(settings.towers).items()
        for row in compare(name, network, draw, settings)
    ]
    packages = [name for name in ("onnxruntime", "openvino") if find_spec(name)]
    runtimes = ", ".join(f"{name} {version(name)}" for name in packages)
    save("runtimes", rows, settings.folder, runtimes=runtimes, threads=str(settings.threads))


if __name__ == "__main__":
    main()
