"""The journal of finished training runs, with which an interrupted experiment resumes."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

# --- the journal --------------------------------------------------------------------------------


def run_key(run: dict, origin: dict) -> str:
    """The name of a run in the journal: a digest of the run and of everything else that determines
    it."""
    text = json.dumps({"run": run, "origin": origin}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def run_missing(
    runs: list[dict],
    train: Callable[[dict], dict],
    folder: Path,
    origin: dict,
    say: Callable[[str], None] = print,
    told: Callable[[dict], str] | None = None,
) -> list[dict]:
    """The results of all runs, in their order. `train` makes the results that the journal `folder`
    lacks.

    A result is written when its run has finished, as a complete file. Its name is a digest of the
    run and `origin` (settings, digests of the inputs and the code, ...), so a result made in
    another way is not used. New results are also read back from the journal, so that an interrupted
    experiment gives the same tables as an uninterrupted one. `told(result)` returns the text for
    the log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{run_key(run, origin)}.json" for run in runs]
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    say(f"{len(runs) - len(missing)} of {len(runs)} runs are already finished in {folder}")
    begin, told = time.monotonic(), told or _before_and_after
    for number in missing:
        result = train(runs[number])
        partial = paths[number].with_suffix(".part")
        partial.write_text(json.dumps({"run": runs[number], **result}), encoding="utf-8")
        os.replace(partial, paths[number])
        named = ", ".join(f"{key} {value}" for key, value in runs[number]["condition"].items())
        say(
            f"run {number + 1} of {len(runs)} ({named}, seed {runs[number]['seed']}): "
            f"{told(result)}; {time.monotonic() - begin:.0f} s since the start"
        )
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _before_and_after(result: dict) -> str:
    row = result["row"]
    return (
        f"gap {row['gap_before']:.3f} before, {row['gap_after']:.3f} after; "
        f"loss {row['loss_before']:.3f} before, {row['loss_after']:.3f} after"
    )
