"""ONNX Runtime: sessions on the CPU, and encoders whose torch network runs there."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from modality_gap.encoders.base import Encoder, Network, choose_device
from modality_gap.errors import InputError

if TYPE_CHECKING:
    import torch

ARGUMENTS = ("input", "mask")  # names of a network's arguments in the exported model
FARTHEST = 1e-4  # largest distance of a vector to torch's, relative to the length of torch's
BATCH = 3  # number of random inputs of the export; the check has other numbers


def start_session(model: bytes) -> Any:
    """A session of ONNX Runtime on the CPU, with as many threads as torch has."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def in_onnx_runtime(encoder: Encoder) -> Encoder:
    """The same encoder (float32) with its network in ONNX Runtime.

    The network is exported and then compared with torch on random inputs, in batches of other sizes
    and, if they may differ, with sentences of other lengths. An encoder that does not run in torch
    is returned unchanged. Raises InputError if the network cannot be exported, if a vector differs
    from torch's by more than FARTHEST, and on a machine with a GPU.
    """
    if encoder.network is None:
        return encoder
    if choose_device().type != "cpu":
        raise _refused(encoder, "PyTorch finds a GPU, which ONNX Runtime would not use")
    try:
        session = start_session(export(encoder.network, _samples(encoder, [BATCH])[0]))
    except Exception as error:  # of the exporter or the runtime, which have no common class
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _refused(encoder, f"it cannot be exported: {reason:.200}") from error
    names = [one.name for one in session.get_inputs()]
    collate = encoder.network.collate

    def encode(tensors: list[torch.Tensor]) -> np.ndarray:
        # An argument that the network does not need is not an input of the exported model.
        arguments = dict(zip(ARGUMENTS, collate(tensors), strict=False))
        return session.run(None, {name: arguments[name].numpy() for name in names})[0]

    for inputs in _samples(encoder, [1, BATCH - 1, BATCH + 2]):
        expected, found = encoder.encode(inputs), encode(inputs)
        distances = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
        if not distances.max() <= FARTHEST:
            raise _refused(encoder, f"its vectors differ from torch's by {distances.max():.2g}")
    runtime = {"runtime": f"ONNX Runtime {version('onnxruntime')}"}
    return replace(encoder, encode=encode, network=None, metadata=encoder.metadata | runtime)


def _refused(encoder: Encoder, reason: str) -> InputError:
    return InputError(
        f"encoders: {encoder.metadata['model']} cannot run in ONNX Runtime ({reason}); set "
        "extraction.precision to auto or float32."
    )


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
    with _plain_kernels():
        program: Any = torch.onnx.export(
            Exported().eval(),
            arguments,
            input_names=ARGUMENTS[: len(arguments)],
            dynamic_shapes=(shapes,),
            dynamo=True,
            optimize=False,  # ONNX Runtime does so when the session starts
            verbose=False,
        )
    return program.model_proto.SerializeToString()
