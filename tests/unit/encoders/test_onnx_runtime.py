"""Torch networks in ONNX Runtime: the same vectors for any batch, or a refusal in a sentence."""

import json
import re
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from modality_gap.encoders import onnx_runtime
from modality_gap.encoders.base import Encoder, Network, fixed_size, padded, torch_encode
from modality_gap.encoders.build import build_encoder
from modality_gap.encoders.minilm_model import MiniLM
from modality_gap.encoders.onnx_runtime import in_onnx_runtime
from modality_gap.errors import InputError

CPU = torch.device("cpu")
CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
BERT = {
    "vocab_size": len(WORDS), "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "max_position_embeddings": 20,
}  # fmt: skip


def both(spec, modality):
    """An encoder in torch and the same encoder in ONNX Runtime."""
    given = (spec, modality, {"seed": 3})
    return build_encoder(*given, "float32"), build_encoder(*given, "float32_onnx")


def assert_same_vectors(plain: Encoder, other: Encoder, lengths=(1, 4, 7), cut=lambda one, _: one):
    rng = np.random.default_rng(8)
    for number in lengths:
        inputs = [cut(plain.noise(rng), place) for place in range(number)]
        expected, found = plain.encode(inputs), other.encode(inputs)
        assert found.dtype == np.float32
        # Relative to how far apart the vectors of two inputs are, and not only to their lengths.
        apart = np.ptp(expected, axis=0).max() if number > 1 else np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=1e-3 * apart)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_both_towers_of_clip(tmp_path, modality):
    path = tmp_path / "small-clip.json"
    path.write_text(json.dumps(CLIP))
    plain, other = both({"library": "open_clip", "architecture": str(path)}, modality)
    assert_same_vectors(plain, other)
    assert plain.network is not None and other.network is None
    runtime = re.fullmatch(r"ONNX Runtime \d+\.\d+\.\d+", other.metadata.pop("runtime"))
    assert runtime and other.metadata == plain.metadata and plain.metadata["dtype"] == "float32"


def test_a_convolutional_network_with_pixels_and_with_noise():
    plain, other = both({"library": "timm", "architecture": "resnet10t", "image_size": 32}, "image")
    assert_same_vectors(plain, other)
    pixels = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    np.testing.assert_allclose(other.encode([pixels]), plain.encode([pixels]), rtol=1e-3)
    assert np.abs(plain.encode([pixels]) - plain.encode([pixels.float()])).max() > 0.1


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_sentences_of_any_length(tmp_path, pooling):
    import transformers

    transformers.BertConfig(**BERT).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    about = {"tokenizer_class": "BertTokenizer", "model_max_length": 20}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(about))
    spec = {"library": "hugging_face", "model": str(tmp_path), "pooling": pooling}
    # Sentences of 2, 5, 8, ... tokens, so that most are padded.
    assert_same_vectors(*both(spec, "text"), cut=lambda one, place: one[: 2 + 3 * place])


def minilm(**more):
    torch.manual_seed(2)
    model = MiniLM(BERT | {"type_vocab_size": 2, "layer_norm_eps": 1e-12, "initializer_range": 0.5})
    network = Network(padded(CPU), model.eval(), (model,), ragged=True)
    return Encoder(
        prepare=None,
        encode=torch_encode(network),
        noise=lambda rng: torch.from_numpy(rng.integers(0, len(WORDS), 20)),
        metadata={"model": "MiniLM"},
        network=replace(network, **more),
    )


def test_minilm_whose_attention_is_fused_in_torch():
    fast = torch.backends.mha.get_fastpath_enabled()
    plain = minilm()
    assert_same_vectors(plain, in_onnx_runtime(plain), cut=lambda one, place: one[: 3 + place])
    assert torch.backends.mha.get_fastpath_enabled() == fast


def test_an_encoder_without_a_network_stays_as_it_is():
    encoder = Encoder(prepare=None, encode=np.stack, noise=None, metadata={"model": "vectors"})
    assert in_onnx_runtime(encoder) is encoder


def refusal(encoder: Encoder) -> str:
    with pytest.raises(InputError) as caught:
        in_onnx_runtime(encoder)
    said = str(caught.value)
    assert said.startswith("encoders: MiniLM cannot run in ONNX Runtime (")
    assert said.endswith("); set extraction.precision to float32.")
    return said


def test_a_network_that_has_no_counterpart_is_refused():
    def forward(tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.linalg.eigvals(torch.eye(3) * tokens.sum()).real.expand(len(tokens), 3)

    said = refusal(small(forward))
    # What the exporter could not do, and not in which of its steps.
    assert "it cannot be exported: " in said and "No ONNX function found" in said
    assert "step" not in said and "\x1b" not in said and len(said) < 450


def test_what_torch_refuses_keeps_its_own_sentence():
    def forward(tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        raise InputError("encoders: 'm' has no pooler; set options.pooling to `mean`.")

    with pytest.raises(InputError, match=r"^encoders: 'm' has no pooler; set options"):
        in_onnx_runtime(small(forward))


def test_weights_that_no_file_of_onnx_holds_are_refused(monkeypatch):
    largest = onnx_runtime.LARGEST
    monkeypatch.setattr(onnx_runtime, "LARGEST", 1000)
    assert "its weights have 0.0 GB, and a file of ONNX at most 2" in refusal(minilm())

    assert 2**30 < largest < 2**31  # bytes that a file of ONNX holds beside the graph


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("[ONNXRuntimeError] : 2 : GEMM: Dimension mismatch\nmore", "GEMM: Dimension mismatch);"),
        ("", "it cannot be exported: RuntimeError);"),
    ],
)
def test_an_error_of_the_runtime_itself_is_a_refusal(monkeypatch, error, told):
    class Broken:
        def get_inputs(self):
            return []

        def run(self, *_):
            raise RuntimeError(error)

    samples, sizes = onnx_runtime._samples, []
    monkeypatch.setattr(onnx_runtime, "_samples", lambda *a: sizes.extend(a[1]) or samples(*a))
    monkeypatch.setattr(onnx_runtime, "export", lambda *_: b"")
    monkeypatch.setattr(onnx_runtime, "start_session", lambda _: Broken())
    assert told in refusal(small())
    # The check has one input, fewer than the export and more.
    exported, *checked = sizes
    assert exported not in checked and min(checked) == 1 and max(checked) > exported


def test_a_session_is_silent_and_has_the_threads_of_torch():
    """What goes wrong becomes an error, and a job may not take more cores than it has."""
    session = onnx_runtime.start_session(negative())
    options = session.get_session_options()
    assert options.intra_op_num_threads == torch.get_num_threads()
    assert options.log_severity_level == 4
    assert session.get_providers() == ["CPUExecutionProvider"]


def small(forward=lambda tokens, mask: mask.float().sum(dim=1, keepdim=True) + torch.ones(3)):
    """An encoder whose vectors count the words, and that does not read which words they are."""
    encoder = minilm(forward=forward, modules=())
    return replace(encoder, encode=torch_encode(encoder.network))


@pytest.mark.parametrize(
    ("factor", "distance"), [(1.00002, "2e-05"), (np.nan, "nan"), (1.000005, None)]
)
def test_vectors_far_from_those_of_torch_are_refused(factor, distance):
    """One vector of a batch is enough."""
    encoder = small()
    plain = encoder.encode

    def encode(inputs):
        vectors = plain(inputs)
        vectors[1:2] /= factor
        return vectors

    changed = replace(encoder, encode=encode)
    if distance is None:
        np.testing.assert_allclose(
            in_onnx_runtime(changed).encode([torch.ones(2, dtype=torch.int64)]), [[3, 3, 3]]
        )
    else:
        assert f"its vectors differ from torch's by {distance}" in refusal(changed)


def test_the_check_has_batches_and_lengths_that_the_export_has_not():
    for ragged in (True, False):
        encoder = minilm(ragged=ragged)
        exported, *checked = onnx_runtime._samples(
            encoder, [onnx_runtime.BATCH]
        ) + onnx_runtime._samples(encoder, [1, 2, 5])
        assert len(exported) not in {len(inputs) for inputs in checked}
        longest = [max(map(len, inputs)) for inputs in (exported, *checked)]
        assert longest == ([17, 19, 18, 15] if ragged else [20] * 4)
        assert min(len(one) for inputs in checked for one in inputs) == (11 if ragged else 20)


def test_a_gpu_is_not_left_idle(monkeypatch):
    monkeypatch.setattr(onnx_runtime, "choose_device", lambda: torch.device("cuda"))
    assert "PyTorch finds a GPU, which ONNX Runtime would not use" in refusal(minilm())


def test_what_fixed_inputs_and_padded_ones_become():
    (batch,) = fixed_size(CPU, torch.float32)([torch.ones(2), torch.zeros(2)])
    assert batch.tolist() == [[1, 1], [0, 0]]
    # A token of a sentence stays one if it is that of the padding too, such as the end of a text.
    ids, mask = padded(CPU, 9)([torch.tensor([4, 5, 9]), torch.tensor([7])])
    assert ids.tolist() == [[4, 5, 9], [7, 9, 9]]
    assert mask.tolist() == [[True, True, True], [True, False, False]]


def negative() -> bytes:
    """A network in ONNX with one input."""
    kind = onnx.TensorProto.FLOAT
    of_input = onnx.helper.make_tensor_value_info("input", kind, ["b", 2])
    result = onnx.helper.make_tensor_value_info("vectors", kind, ["b", 2])
    node = onnx.helper.make_node("Neg", ["input"], ["vectors"])
    graph = onnx.helper.make_graph([node], "negative", [of_input], [result])
    opset = onnx.helper.make_opsetid("", 18)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return model.SerializeToString()


def test_an_input_that_the_network_does_not_need_is_not_given_to_it():
    """The exporter leaves such an input out, and ONNX Runtime refuses what it does not know."""
    session = onnx_runtime.start_session(negative())
    mask = torch.ones(3, 2, dtype=torch.bool)
    encode = onnx_runtime._session_encode(session, lambda rows: (torch.stack(rows), mask))
    rows = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), torch.tensor([5.0, 6.0])]
    assert encode(rows).tolist() == [[-1, -2], [-3, -4], [-5, -6]]
