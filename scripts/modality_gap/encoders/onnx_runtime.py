"""ONNX Runtime: sessions on the CPU, and encoders whose torch network runs there."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from modality_gap.encoders.base import Encoder, Network, choose_device
from modality_gap.errors import InputError

if TYPE_CHECKING:
    import torch

ARGUMENTS = ("input", "mask")  # names of a network's arguments in the exported model
FARTHEST = 1e-5  # largest distance of a vector to torch's, relative to the length of torch's
BATCH = 3  # number of random inputs of the export; the check has other numbers
LARGEST = 2**31 - 2**24  # bytes of weights; a file of ONNX has at most 2 GiB
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def start_session(model: bytes) -> Any:
    """A session of ONNX Runtime on the CPU, with as many threads as torch has."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # errors are exceptions anyway
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def in_onnx_runtime(encoder: Encoder) -> Encoder:
    """The same encoder (float32) with its network in ONNX Runtime.

    The network is exported and then compared with torch on random inputs, in batches of other sizes
    and, if they may differ, with sentences of other lengths. An encoder that does not run in torch
    is returned unchanged. Raises InputError if the network cannot be exported, if a vector differs
    from torch's by more than FARTHEST, and on a machine with a GPU.
    """
    network = encoder.network
    if network is None:
        return encoder
    if choose_device().type != "cpu":
        raise _refused(encoder, "PyTorch finds a GPU, which ONNX Runtime would not use")
    first, *others = _samples(encoder, [BATCH, 1, BATCH - 1, BATCH + 2])
    expected = [encoder.encode(inputs) for inputs in others]
    try:
        encode = _session_encode(start_session(export(network, first)), network.collate)
        found = [encode(inputs) for inputs in others]
    except Exception as error:  # of the exporter or the runtime, which have no common class
        raise _refused(encoder, f"it cannot be exported: {_cause(error):.300}") from error
    for plain, other in zip(expected, found, strict=True):
        distances = np.linalg.norm(other - plain, axis=1) / np.linalg.norm(plain, axis=1)
        if not distances.max() <= FARTHEST:
            raise _refused(encoder, f"its vectors differ from torch's by {distances.max():.2g}")
    runtime = {"runtime": f"ONNX Runtime {version('onnxruntime')}"}
    return replace(encoder, encode=encode, network=None, metadata=encoder.metadata | runtime)


def _session_encode(session: Any, collate: Callable) -> Callable[[list[torch.Tensor]], np.ndarray]:
    names = [one.name for one in session.get_inputs()]

    def encode(tensors: list[torch.Tensor]) -> np.ndarray:
        # An argument that the network does not need is not an input of the exported model.
        arguments = dict(zip(ARGUMENTS, collate(tensors), strict=False))
        return session.run(None, {name: arguments[name].numpy() for name in names})[0]

    return encode


def _refused(encoder: Encoder, reason: str) -> InputError:
    return InputError(
        f"encoders: {encoder.metadata['model']} cannot run in ONNX Runtime ({reason}); set "
        "extraction.precision to float32."
    )


def _cause(error: BaseException) -> str:
    """The first line of the error that an error began with. The exporter's own errors say only in
    which step it stopped."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = COLOUR.sub("", str(error)).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__


def _samples(encoder: Encoder, sizes: list[int]) -> list[list[torch.Tensor]]:
    """Lists of random inputs. If lengths may differ, each list has sentences of several lengths."""
    rng = np.random.default_rng(0)
    ragged = encoder.network is not None and encoder.network.ragged
    found = []
    for size in sizes:
        inputs = [encoder.noise(rng) for _ in range(size)]
        if ragged:
            inputs = [one[: max(1, len(one) - size - place)] for place, one in enumerate(inputs)]
        found.append(inputs)
    return found


@contextlib.contextmanager
def _plain_kernels() -> Iterator[None]:
    """A context without torch's fused attention, which has no counterpart in ONNX, and without the
    exporter's warnings."""
    import torch

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def export(network: Network, inputs: list[torch.Tensor]) -> bytes:
    """The network in ONNX, for any number of inputs and, if they are ragged, any length."""
    import torch

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(network.modules)  # so that the weights are found

        def forward(self, *arguments: torch.Tensor) -> torch.Tensor:
            return network.forward(*arguments)

    arguments = network.collate(inputs)
    axes = range(2 if network.ragged else 1)
    shapes = tuple(dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for _ in arguments)
    with _plain_kernels(), torch.no_grad():
        program: Any = torch.onnx.export(
            Exported().eval(),
            arguments,
            input_names=ARGUMENTS[: len(arguments)],
            dynamic_shapes=(shapes,),
            dynamo=True,
            verbose=False,
        )
    weights = [one.const_value for one in program.model.graph.initializers.values()]
    if (total := sum(one.nbytes for one in weights if one is not None)) > LARGEST:
        raise ValueError(f"its weights have {total / 1e9:.1f} GB, and a file of ONNX at most 2")
    return program.model_proto.SerializeToString()
