"""Try for a limited time to download the features that the paper's authors released.

The reproduction does not need them, so a failure stops nothing and is reported in one line.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # make starts it, not Snakemake

from modality_gap.data.assets import Asset, fetch, load_assets, part_of
from modality_gap.errors import InputError


class TimeIsUp(BaseException):
    """The alarm. It is not an Exception, so that no library catches it as one of its own errors."""


def ring(*_: object) -> None:
    raise TimeIsUp


def fetch_all(assets: list[Asset], resources: Path, time_limit_s: float) -> str | None:
    """Fetch the files that are missing under `resources`, and leave no partial file. Returns the
    reason for a failure, or None."""
    mirror = os.environ.get("MODALITY_GAP_MIRROR")
    destinations = {resources / asset.path: asset for asset in assets}
    missing = {path: asset for path, asset in destinations.items() if not path.is_file()}
    timeout_s = max(time_limit_s / 2, 0.1)
    signal.signal(signal.SIGALRM, ring)
    try:
        # Zero would switch the alarm off, but here it means not to wait at all.
        signal.setitimer(signal.ITIMER_REAL, max(time_limit_s, 1e-3))
        for destination, asset in missing.items():
            fetch(asset, destination, mirror, timeout_s=timeout_s, retries=1)
    except TimeIsUp:
        return f"not done within {time_limit_s:g} s"
    except InputError as error:
        return str(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for destination in missing:
            part_of(destination).unlink(missing_ok=True)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time-limit", type=float, default=20.0, help="seconds for all of them")
    parser.add_argument("--resources", type=Path, default=Path("resources"))
    parser.add_argument("--assets", type=Path, default=Path("config/assets.yaml"))
    args = parser.parse_args()
    try:
        assets = [
            asset
            for asset in load_assets(args.assets).values()
            if asset.optional and asset.kind != "placed"
        ]
        hindrance = fetch_all(assets, args.resources, args.time_limit)
    except InputError as error:
        hindrance = str(error)
    if hindrance:
        print(f"released features: not fetched ({hindrance}); the run continues without them")
    else:
        print(f"released features: {len(assets)} of {len(assets)} available")


if __name__ == "__main__":
    main()
