"""How fast pictures become embeddings: `make bench`, on any machine.

JPEG photographs in a Parquet dataset go through the workflow's own extraction into an embedding
set. In the same run, in turns, the same model is measured in other ways:

  ceiling      the bare model on inputs that already lie on its device; nothing can be faster
  decode       one worker that decodes and resizes and does nothing else
  dataloader   a plain loop as one would write it: files on disk, open_clip's transform in the
               workers of a torch DataLoader, encode_image, np.save

The pictures are made here (smooth shapes and grain; about 500 x 375, 85 KB), the weights random:
neither changes the speed. Each way is measured once a round; the median of the rounds is given,
with the lowest and the highest. Processor time (cpu_ms_per_image) tells two ways apart even where
other work slows the machine. Shares of time are what the main thread of the extraction waits
for: "read" for the workers that decode, "infer" for the model, "write" for the Parquet file.

Writes results/bench/extract.csv: one measure a row.
"""

import argparse
import io
import logging
import statistics
import tempfile
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from bench import CORES, FOLDER, Clock, reset_peak_memory, save, say
from PIL import Image

from modality_gap.embeddings import decisions
from modality_gap.embeddings.decoding import prepare_items
from modality_gap.embeddings.extraction import extract, peak_memory_mb, read_batches
from modality_gap.embeddings.sets import EmbeddingWriter, normalise
from modality_gap.embeddings.stored import read
from modality_gap.encoders.base import choose_device
from modality_gap.encoders.build import build_encoder
from modality_gap.encoders.open_clip import load_open_clip
from modality_gap.encoders.pictures import open_picture

DISTINCT = 128  # pictures that are drawn; the dataset repeats them
SIZES = [(500, 375), (500, 333), (375, 500), (500, 375)]
ROWS_AT_ONCE = 256  # of the dataset in a row group: about 20 MB
ON_CPU_TOO = 64  # pictures that a GPU's embeddings are held against the CPU's with


def draw_picture(rng: np.random.Generator, width: int, height: int) -> bytes:
    """A JPEG as large as a photograph's: a gradient, soft patches and grain, quality 90."""
    y, x = np.mgrid[0:height, 0:width]
    slopes = rng.uniform(-0.3, 0.3, (2, 3))
    gradient = x[..., None] * slopes[0] + y[..., None] * slopes[1]
    patches = Image.fromarray(rng.integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8))
    patches = np.asarray(patches.resize((width, height), Image.Resampling.BICUBIC))
    grain = rng.standard_normal((height, width, 3), dtype=np.float32) * 14
    pixels = np.clip(64 + gradient + 0.6 * patches + grain, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def write_dataset(path: Path, pictures: list[bytes], items: int) -> None:
    """`items` rows that repeat the pictures, each stored again, as a real dataset's would be."""
    schema = pa.schema({"item_id": pa.string(), "image": pa.binary()})
    with pq.ParquetWriter(path, schema, use_dictionary=False, compression=None) as writer:
        again = cycle(pictures)
        for start in range(0, items, ROWS_AT_ONCE):
            ids = [f"{row:06d}" for row in range(start, min(start + ROWS_AT_ONCE, items))]
            columns = {"item_id": ids, "image": list(islice(again, len(ids)))}
            writer.write_table(pa.table(columns, schema))


class Files(torch.utils.data.Dataset):
    """The pictures as files of a folder, `items` of them."""

    def __init__(self, folder: Path, items: int, transform):
        self.paths, self.items, self.transform = sorted(folder.iterdir()), items, transform

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, row: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[row % len(self.paths)]))


def speed(clock: Clock, pictures: int) -> dict[str, float]:
    return {
        "images_per_s": pictures / clock.seconds(),
        "cpu_ms_per_image": 1000 * clock.processor_seconds() / pictures,
    }


class Bench:
    """One model, one dataset, several ways through it."""

    def __init__(self, settings: argparse.Namespace, folder: Path):
        self.settings, self.folder, self.device = settings, folder, choose_device()
        self.spec = {"library": "open_clip", "architecture": settings.architecture}
        self.dataset, self.files = folder / "pictures.parquet", folder / "files"
        rng = np.random.default_rng(settings.seed)
        pictures = [
            draw_picture(rng, *size) for size in islice(cycle(SIZES), min(DISTINCT, settings.items))
        ]
        self.picture_kb = np.mean([len(picture) for picture in pictures]) / 1000
        write_dataset(self.dataset, pictures, settings.items)
        self.files.mkdir()
        for number, picture in enumerate(pictures):
            (self.files / f"{number:04d}.jpg").write_bytes(picture)

    def plain_model(self, precision: str, device: torch.device):
        """The model and its transform as open_clip gives them."""
        model, transform, _ = load_open_clip(self.spec, {"seed": self.settings.seed})
        return model.to(device=device, dtype=getattr(torch, precision)), transform

    def synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def warm_up(self, forward, first) -> None:
        """One batch before the clock starts, as kernels are chosen at the first."""
        forward(first)
        self.synchronise()

    def project(self, precision: str) -> dict[str, float]:
        """The workflow's own extraction, Parquet to Parquet."""
        settings = self.settings
        encoder = build_encoder(self.spec, "image", {"seed": settings.seed}, precision)
        rng = np.random.default_rng(settings.seed)
        self.warm_up(encoder.encode, [encoder.noise(rng)] * settings.batch_size)
        reset_peak_memory()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        writer = EmbeddingWriter(self.folder / f"project.{precision}.parquet", encoder.metadata)
        clock = Clock()
        rows = np.arange(settings.items)
        batches = read_batches(self.dataset, "image", rows, settings.batch_size)
        timing = extract(
            batches, settings.items, "image", encoder, writer, settings.workers, "fail"
        )
        writer.close()
        rates, seconds = speed(clock, settings.items), clock.seconds()
        shares = {
            f"{part}_share": getattr(timing, f"{part}_s") / seconds
            for part in ("read", "infer", "write")
        }
        return {**rates, **shares, **peak_memory_mb()}

    def decode(self, precision: str) -> dict[str, float]:
        """One worker that reads, decodes and resizes, and nothing else."""
        encoder = build_encoder(self.spec, "image", {"seed": self.settings.seed}, precision)
        pictures = [(path.name, path.read_bytes()) for path in self.files.iterdir()]
        clock = Clock()
        prepare_items(encoder, "image", "fail", pictures)
        return speed(clock, len(pictures))

    def ceiling(self, precision: str) -> dict[str, float]:
        """The bare model on one resident batch, again and again."""
        batch_size = self.settings.batch_size
        if precision == "float32_onnx":
            encoder = build_encoder(self.spec, "image", {"seed": self.settings.seed}, precision)
            batch = [encoder.noise(np.random.default_rng(self.settings.seed))] * batch_size
            forward = encoder.encode
        else:
            model, _ = self.plain_model(precision, self.device)
            size = model.visual.image_size
            size = size if isinstance(size, tuple) else (size, size)
            dtype = getattr(torch, precision)
            batch = torch.randn(batch_size, 3, *size, device=self.device, dtype=dtype)
            forward = model.encode_image
        times = max(1, self.settings.items // batch_size)
        with torch.inference_mode():
            self.warm_up(forward, batch)
            clock = Clock()
            for _ in range(times):
                forward(batch)
            self.synchronise()
        return speed(clock, times * batch_size)

    def dataloader(self, precision: str) -> dict[str, float]:
        """The loop that one would write."""
        model, transform = self.plain_model(precision, self.device)
        loader = torch.utils.data.DataLoader(
            Files(self.files, self.settings.items, transform),
            batch_size=self.settings.batch_size,
            num_workers=self.settings.workers,
            pin_memory=self.device.type == "cuda",
        )
        with torch.inference_mode():
            first = torch.zeros_like(next(iter(loader)))
            self.warm_up(model.encode_image, first.to(self.device, getattr(torch, precision)))
            vectors = []
            clock = Clock()
            for batch in loader:
                batch = batch.to(self.device, getattr(torch, precision), non_blocking=True)
                vectors.append(model.encode_image(batch).float().cpu().numpy())
            np.save(self.folder / f"dataloader.{precision}.npy", np.concatenate(vectors))
        return speed(clock, self.settings.items)

    def auto(self) -> str:
        """The number format that extraction.precision: auto chooses for the first pictures."""
        rows, batch_size = np.arange(self.settings.items), self.settings.batch_size
        number = decisions.sample_size(batch_size)
        items = decisions.first_items(self.dataset, "image", rows, number)
        found = decisions.measure_precision(
            lambda precision: build_encoder(
                self.spec, "image", {"seed": self.settings.seed}, precision
            ),
            lambda encoder: decisions.prepared_sample(encoder, "image", "fail", items),
            decisions.MANY,  # as for a large data set, although the bench has few
        )
        say(decisions.precision_in_words(found))
        return found["chosen"]

    def cosines(self) -> list[tuple[str, np.ndarray]]:
        """Cosines of the same pictures' embeddings, computed in two ways."""
        mine = {
            precision: normalise(read(self.folder / f"project.{precision}.parquet").vectors)
            for precision in self.settings.precisions
        }
        pairs = [
            (precision, "project against dataloader", mine[precision], np.load(path))
            for precision in mine
            if (path := self.folder / f"dataloader.{precision}.npy").exists()
        ]
        pairs += [
            (precision, "project against float32", mine[precision], mine["float32"])
            for precision in mine
            if precision != "float32" and "float32" in mine
        ]
        if self.device.type != "cpu":
            model, transform = self.plain_model("float32", torch.device("cpu"))
            rows = pq.ParquetFile(self.dataset).iter_batches(ON_CPU_TOO, columns=["image"])
            pictures = next(rows).column(0).to_pylist()
            with torch.inference_mode():
                inputs = [transform(open_picture(data, "")) for data in pictures]
                on_cpu = model.encode_image(torch.stack(inputs)).numpy()
            pairs += [
                (precision, "project against the CPU in float32", vectors[: len(on_cpu)], on_cpu)
                for precision, vectors in mine.items()
            ]
        return [
            (precision, what, (normalise(a) * normalise(b)).sum(axis=1))
            for precision, what, a, b in pairs
        ]


def measure(settings: argparse.Namespace, folder: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Table of measures (precision, way, measure, value, low, high, n) and what they were
    measured on. n is the number of rounds, of a cosine that of pictures."""
    bench = Bench(settings, folder)
    values_of: dict[tuple[str, str, str], list[float]] = {}
    for number in range(settings.rounds):
        for way in ("project", "ceiling", "dataloader", "decode"):
            # Decoding is the same for all, and the loop that one would write runs in torch.
            precisions = settings.precisions[: 1 if way == "decode" else None]
            for precision in precisions:
                if way == "dataloader" and precision == "float32_onnx":
                    continue
                for name, value in getattr(bench, way)(precision).items():
                    values_of.setdefault((precision, way, name), []).append(value)
                images_per_s = values_of[precision, way, "images_per_s"][-1]
                say(f"round {number + 1}: {way}, {precision}: {images_per_s:.1f} images/s")
    # A ratio is taken within a round, so that what slows the machine for a while slows both.
    for precision in settings.precisions:
        for way, base in (
            ("ceiling", precision),
            ("dataloader", precision),
            ("dataloader", "float32"),
        ):
            if (base, way, "images_per_s") not in values_of:
                continue
            for measure, name, sign in (
                ("images_per_s", "ratio of speeds", 1),
                ("cpu_ms_per_image", "ratio of speeds by cpu time", -1),
            ):
                both = zip(
                    values_of[precision, "project", measure],
                    values_of[base, way, measure],
                    strict=True,
                )
                values_of[precision, f"project / {way} in {base}", name] = [
                    (mine / theirs) ** sign for mine, theirs in both
                ]
    rows = [
        (*key, statistics.median(values), min(values), max(values), len(values))
        for key, values in values_of.items()
    ]
    rows += [
        (precision, what, "cosine", np.median(values), min(values), max(values), len(values))
        for precision, what, values in bench.cosines()
    ]
    columns = ["precision", "way", "measure", "value", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns), about(settings, bench)


def about(settings: argparse.Namespace, bench: Bench) -> dict[str, str]:
    """What was measured, on what."""
    cuda = bench.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name()
        if cuda
        else f"CPU, {torch.backends.cpu.get_cpu_capability()}",
        "architecture": settings.architecture,
        "auto_precision": bench.auto(),
        "pictures": str(settings.items),
        "picture_kb": f"{bench.picture_kb:.0f}",
        "batch_size": str(settings.batch_size),
        "workers": str(settings.workers),
        "torch_threads": str(torch.get_num_threads()),
    }


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; what is not given suits the machine."""
    cuda = choose_device().type == "cuda"
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=20_000 if cuda else 256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--architecture", default="ViT-B-32")
    parser.add_argument("--batch-size", type=int, default=256 if cuda else 32)
    parser.add_argument("--workers", type=int, default=CORES)
    precisions = [one for one in decisions.PRECISIONS if not (cuda and one == "float32_onnx")]
    parser.add_argument("--precisions", nargs="+", choices=precisions, default=precisions)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    settings = parse(arguments)
    logging.disable(logging.WARNING)  # open_clip warns that random weights are random
    settings.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        rows, facts = measure(settings, Path(folder))
    save("extract", rows, settings.folder, **facts)


if __name__ == "__main__":
    main()
