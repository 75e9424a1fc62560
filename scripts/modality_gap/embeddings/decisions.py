"""Decisions about an extraction, made by a short measurement before it begins.

There is one file of decisions for each encoder, inputs and modality, and every shard reads it. A
measurement may differ between two machines, or between two minutes on one machine, but all shards
must use the same decisions.
"""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from modality_gap.embeddings.decoding import prepare_items, way_of
from modality_gap.embeddings.extraction import read_batches
from modality_gap.embeddings.sets import normalise
from modality_gap.encoders.base import Encoder
from modality_gap.errors import InputError

# The number formats, and the lowest cosine that an item may have to its float32 embedding.
# float32_onnx is float32 in ONNX Runtime.
PRECISIONS = {"float32": 1.0, "bfloat16": 0.9999, "float32_onnx": 0.99999}
PLAIN = "float32"
FASTER = 1.2  # another format must be at least this many times as fast as float32
MANY = 1000  # least number of items for which a network is exported to ONNX
ROUNDS = 3
ROUND_S = 0.2  # least seconds of a round, so that it can be timed
ITEMS_ON_CPU = 16
PICTURES = 64  # number of pictures that are decoded in both ways


def sample_size(batch_size: int) -> int:
    """The number of items to measure with. On a GPU it is a whole batch, because only a whole batch
    reaches full speed."""
    return batch_size if torch.cuda.is_available() else min(ITEMS_ON_CPU, batch_size)


def first_items(
    path: str, modality: str, rows: np.ndarray, number: int, column: str | None = None
) -> list[tuple]:
    """The first `number` of the `rows` of a dataset, as pairs (item_id, content)."""
    items: list[tuple] = []
    if not len(rows):
        return items
    for frame in read_batches(path, modality, rows[:number], number, column):
        items += zip(frame["item_id"], frame[modality], strict=True)
    return items


def prepared_sample(
    encoder: Encoder, modality: str, unreadable: str, items: list[tuple], decode: str = "exact"
) -> list[torch.Tensor]:
    """The encoder's inputs for some items (item_id, content). If no item can be decoded, they are
    as many random inputs. Raises InputError for an item that cannot be decoded, unless `unreadable`
    is "skip"."""
    prepared = prepare_items(encoder, modality, unreadable, items, decode)
    readable = [item for item in prepared if not isinstance(item, InputError)]
    rng = np.random.default_rng(0)
    return readable or [encoder.noise(rng) for _ in range(max(1, len(items)))]


def items_per_s(encode: Callable[[list], np.ndarray], inputs: list) -> float:
    """The number of items per second that `encode` embeds. It repeats all inputs for at least
    ROUND_S seconds."""
    start, passes = time.perf_counter(), 0
    while (seconds := time.perf_counter() - start) < ROUND_S or not passes:
        encode(inputs)
        passes += 1
    return passes * len(inputs) / seconds


def choose_precision(times: Mapping[str, float], lowest_cosines: Mapping[str, float]) -> str:
    """The number format to compute in: the fastest of those that are fast and exact enough.

    `times` has the speed of each format but float32, relative to that of float32, and
    `lowest_cosines` the lowest cosine between the two embeddings of an item. A format is chosen
    only if it is at least FASTER times as fast and no cosine is below its limit in PRECISIONS. If
    there is no such format, it is float32. A cosine that is not a number is below every limit.
    """
    enough = [
        precision
        for precision, ratio in times.items()
        if ratio >= FASTER and lowest_cosines[precision] >= PRECISIONS[precision]
    ]
    return max(enough, key=times.__getitem__, default=PLAIN)


def measure_precision(
    build: Callable[[str], Encoder],
    prepare: Callable[[Encoder], list[torch.Tensor]],
    items: int,
) -> dict:
    """Measure in which number format an encoder should compute.

    Returns the format `chosen` and the median `items_per_s` of each format; of each format but
    float32 its `times`, its speed relative to that of float32, and the `lowest_cosine` between an
    item's two embeddings; and the number n of items, the rounds and the device. A format in which
    the model cannot compute is in `reasons` instead.

    `build` makes the encoder in a format; `prepare` makes its inputs. Every built encoder will
    embed `items` of them. float32_onnx is not tried if these are below MANY, because the export
    takes as long as some hundred items, nor on a GPU, because ONNX Runtime uses the CPU here. The
    formats take turns, so that a slow phase of the machine affects all. The first pass of each
    format is not timed.
    """
    device = device_used()
    with_onnx = items >= MANY and device["device"] == "cpu"
    encoders = {PLAIN: build(PLAIN)}
    inputs = prepare(encoders[PLAIN])
    vectors = {PLAIN: encoders[PLAIN].encode(inputs)}
    reasons = {}
    for precision in PRECISIONS:
        if precision == PLAIN or (precision == "float32_onnx" and not with_onnx):
            continue
        try:
            encoder = build(precision)
            vectors[precision] = encoder.encode(inputs)
            encoders[precision] = encoder
        except (RuntimeError, TypeError, InputError) as error:  # an operation that it lacks
            reasons[precision] = " ".join(str(error).split())[:400]
    rates: dict[str, list[float]] = {precision: [] for precision in encoders}
    for _ in range(ROUNDS):
        for precision, encoder in encoders.items():
            rates[precision].append(items_per_s(encoder.encode, inputs))
    medians = {precision: statistics.median(values) for precision, values in rates.items()}
    others = [precision for precision in encoders if precision != PLAIN]
    times = {precision: medians[precision] / medians[PLAIN] for precision in others}
    lowest = {
        precision: float(cosines(vectors[PLAIN], vectors[precision]).min()) for precision in others
    }
    return {
        "chosen": choose_precision(times, lowest),
        "items_per_s": {precision: round(rate, 2) for precision, rate in medians.items()},
        "times": {precision: round(ratio, 3) for precision, ratio in times.items()},
        "lowest_cosine": {precision: round(cosine, 7) for precision, cosine in lowest.items()},
        **({"reasons": reasons} if reasons else {}),
        "n": len(inputs),
        "rounds": ROUNDS,
        **device,
    }


def measure_decoding(
    encoder: Encoder, decode: str, prepare: Callable[[Encoder, str], list[torch.Tensor]]
) -> dict:
    """Measure how much embeddings change if pictures are decoded in the way `decode`, not exactly.

    Returns the `way`, the lowest and the median cosine between a picture's two embeddings, and the
    number n of pictures. `prepare` makes the inputs of some pictures in a given way. If the encoder
    cannot take pictures decoded in this way, the `way` is exact and nothing is compared.
    """
    way = way_of(decode, encoder)
    if way == "exact":
        return {"way": way}
    ways = [encoder.encode(prepare(encoder, one)) for one in (way, "exact")]
    found = cosines(*ways)
    return {
        "way": way,
        "lowest_cosine": round(float(found.min()), 7),
        "median_cosine": round(float(np.median(found)), 7),
        "n": len(found),
    }


def decoding_in_words(found: dict) -> str:
    """The result of `measure_decoding`, as a line for a log."""
    if found["way"] == "exact":
        return "decoding: exact, because this encoder accepts only such pictures"
    return (
        f"decoding: {found['way']}, lowest cosine to exact {found['lowest_cosine']}, median "
        f"{found['median_cosine']} ({found['n']} pictures)"
    )


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The cosine (n,) between each row of x (n, d) and the same row of y (n, d), in float64."""
    a, b = (normalise(vectors.astype(np.float64)) for vectors in (x, y))
    return (a * b).sum(axis=1)


def device_used() -> dict[str, str]:
    """The device that the encoders run on: `device`, and the name of the `gpu` if there is one."""
    if not torch.cuda.is_available():
        return {"device": "cpu"}
    return {"device": "cuda", "gpu": torch.cuda.get_device_name()}


def precision_in_words(found: dict) -> str:
    """The result of `measure_precision`, as lines for a log."""
    rates = found["items_per_s"]
    lines = [
        f"precision: {found['chosen']}; median of {found['rounds']} rounds of {found['n']} items: "
        f"float32 {rates[PLAIN]:.4g} items/s"
    ]
    lines += [
        f"{precision}: {times:.2f} times as fast as float32 ({rates[precision]:.4g} items/s), "
        f"lowest cosine {found['lowest_cosine'][precision]}"
        for precision, times in found["times"].items()
    ]
    lines += [
        f"{precision}: not possible: {reason}"
        for precision, reason in found.get("reasons", {}).items()
    ]
    return "\n".join(lines)


def read_decision(paths: Sequence[str], output: str) -> dict:
    """The decisions on the embeddings at `output`, which is FOLDER/MODALITY.parquet or a shard of
    it.

    They are read from the file FOLDER/MODALITY.json among `paths`; empty if there is no such file.
    Raises InputError if the file contains no decision.
    """
    wanted = (Path(output).parent.name, Path(output).name.partition(".")[0])
    for path in map(Path, paths):
        if (path.parent.name, path.stem) == wanted:
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                precision = found.get("precision", {"chosen": PLAIN})
                if precision["chosen"] in PRECISIONS and isinstance(
                    precision.get("times", {}), dict
                ):
                    return found
            except (ValueError, KeyError, AttributeError, TypeError):
                pass
            raise InputError(
                f"{path}: the decision cannot be read. Delete the file and run again; the run then "
                "measures and decides again."
            )
    return {}
