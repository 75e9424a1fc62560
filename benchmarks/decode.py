"""How fast pictures are decoded by workers, and how near an extraction comes to its ceilings.

JPEGs as in extract.py are decoded and resized, and nothing else, by 1, 2, 4, ... workers up to the
cores of this machine, in threads and in processes; and in the three ways of extraction.decode, by
one worker. Then the whole extraction, from Parquet to Parquet, is held against the slower of two
ceilings: decoding alone with as many workers, and the bare model. All take turns in each round,
and a ratio is of one round, so that other work on the machine slows both of its parts.

Where other programs use the cores, two workers may get no more of them than one. "By processor
time" says how many times as fast they would be on idle cores, if none waited for another.

On a CPU decoding and the model share the cores, so that the ceiling cannot be reached quite.

Writes results/bench/decode.csv.
"""

import argparse
import logging
import tempfile
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from bench import CORES, FOLDER, Clock, measured, save, say
from extract import Bench

from modality_gap.embeddings import workers
from modality_gap.embeddings.decoding import check_decoder, prepare_items
from modality_gap.encoders.build import build_encoder
from modality_gap.errors import InputError

RATE = "pictures per second"


def numbers_of_workers(most: int) -> list[int]:
    """1, 2, 4, ... and `most`."""
    return sorted({*(2**power for power in range(most.bit_length())), 1, 2, most})


def subject(kind: str, number: int) -> str:
    """Some workers of a kind, in words."""
    return f"{number} {kind}" if number > 1 else {"threads": "1 thread"}.get(kind, "1 process")


def decoders() -> list[str]:
    """The ways of extraction.decode that this machine has."""
    found = ["exact", "scaled"]
    try:
        check_decoder("gpu")
    except InputError:
        return found
    return [*found, "gpu"]


class Decoding:
    """Rates of decoding alone, of the model alone and of an extraction, by what was measured."""

    def __init__(self, settings: argparse.Namespace, folder: Path):
        self.settings, self.bench = settings, Bench(settings, folder)
        self.encoder = build_encoder(self.bench.spec, "image", {"seed": settings.seed})
        self.pictures = [(path.name, path.read_bytes()) for path in self.bench.files.iterdir()]
        self.values: dict[tuple[str, str], list[float]] = {}

    def note(self, subject: str, quantity: str, value: float) -> float:
        self.values.setdefault((subject, quantity), []).append(value)
        return value

    def decode(self, kind: str, number: int, decode: str = "exact") -> tuple[float, float]:
        """Pictures per second that some workers decode, after a task of each for nothing; and
        processor seconds per picture, of these too."""
        size = workers.AT_ONCE
        whole = self.pictures * max(1, self.settings.decoded // len(self.pictures))
        tasks = [whole[at : at + size] for at in range(0, len(whole), size)]
        prepare = partial(prepare_items, self.encoder, "image", "fail", decode=decode)
        clock = Clock()
        with workers.pool(kind, number, prepare) as submit:
            workers.rate(submit, tasks[:number])
            rate = workers.rate(submit, tasks)
        return rate, clock.processor_seconds() / sum(map(len, [*tasks, *tasks[:number]]))

    def round(self) -> None:
        """Everything once."""
        most = self.settings.workers
        for kind in workers.KINDS:
            found = {number: self.decode(kind, number) for number in numbers_of_workers(most)}
            for number, (rate, _) in found.items():
                self.note(subject(kind, number), RATE, rate)
            for one, more in pairwise(found):
                (rate, seconds), (rate_of_more, seconds_of_more) = found[one], found[more]
                times = f"times {subject(kind, one)}"
                self.note(subject(kind, more), times, rate_of_more / rate)
                ideal = more / one * seconds / seconds_of_more
                self.note(subject(kind, more), f"{times}, by processor time", ideal)
        for decode in decoders():
            self.note(f"decode: {decode}", RATE, self.decode("threads", 1, decode)[0])
        ceiling = max(self.values[subject(kind, most), RATE][-1] for kind in workers.KINDS)
        model = self.note("model alone", RATE, self.bench.ceiling("float32")["images_per_s"])
        whole = self.note("extraction", RATE, self.bench.project("float32")["images_per_s"])
        share = self.note("extraction", "share of ceiling", whole / min(ceiling, model))
        say(f"decoding {ceiling:.0f}, model {model:.1f}, extraction {whole:.1f}, share {share:.3f}")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; what is not given suits the machine."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=20_000 if cuda else 128)
    parser.add_argument("--decoded", type=int, default=512 * CORES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--architecture", default="ViT-B-32")
    parser.add_argument("--batch-size", type=int, default=256 if cuda else 32)
    parser.add_argument("--workers", type=int, default=CORES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    settings = parse(arguments)
    logging.disable(logging.WARNING)  # open_clip warns that random weights are random
    settings.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        decoding = Decoding(settings, Path(folder))
        for _ in range(settings.rounds):
            decoding.round()
    rows = []
    for (subject, quantity), values in decoding.values.items():
        unit = quantity if quantity == RATE else "ratio"
        n = settings.items if subject in ("extraction", "model alone") else settings.decoded
        rows.append(measured(subject, quantity, values, unit, n))
    save("decode", rows, settings.folder, architecture=settings.architecture)


if __name__ == "__main__":
    main()
