"""COCO's photographs, each with the only name on which its captions agree."""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated

from modality_gap.data.archives import by_name, item_ids, one_named, open_zip, zip_members
from modality_gap.data.readers import coco_all_captions, coco_document
from modality_gap.errors import InputError


def named_by(captions: Sequence[str], names: Sequence[str], least: int) -> str | None:
    """The only one of `names` that occurs in at least `least` of the captions; None if there is no
    such name, or more than one.

    A name must occur as whole words in small letters; s or es may follow it. A name inside a longer
    name does not count: a hot dog is not a dog.
    """
    longest_first = sorted(names, key=len, reverse=True)
    either = "|".join(re.escape(name.lower()) for name in longest_first)
    pattern = re.compile(rf"\b({either})(?:e?s)?\b")
    by_small = {name.lower(): name for name in names}
    found = Counter(
        by_small[one] for caption in captions for one in {*pattern.findall(caption.lower())}
    )
    agreed = [name for name, times in found.items() if times >= least]
    return agreed[0] if len(agreed) == 1 else None


def read_coco_names(
    files: dict[str, str],
    least: Annotated[int, "How many captions must contain the name.", {"minimum": 1}] = 3,
    leave_out: Annotated[str, "A name in the list to ignore, such as person."] = "",
) -> Iterator[dict]:
    """COCO: every image of `pictures` whose captions agree on one name in `names`, a list with one
    name per line. Columns: item_id, image and label. Raises InputError if there is no such
    image."""
    lines = Path(files["names"]).read_text(encoding="utf-8").splitlines()
    names = [line.strip() for line in lines if line.strip() not in ("", leave_out)]
    captions = coco_all_captions(coco_document(files["annotations"], files["pictures"]))
    with open_zip(files["pictures"]) as archive:
        members = by_name(zip_members(archive))
        there = [name for name in captions if name in members]
        labels = {name: named_by(captions[name], names, least) for name in there}
        agreed = {name: label for name, label in labels.items() if label}
        print(f"{len(agreed)} of {len(there)} pictures have one name", file=sys.stderr)
        if not agreed:
            raise InputError(
                f"{files['pictures']}: there is no picture whose captions agree on a name in "
                f"{files['names']}. Lower `least`, or give other names."
            )
        ids = item_ids(files["pictures"], [PurePosixPath(name) for name in agreed])
        for name, label in agreed.items():
            picture = archive.read(one_named(files["pictures"], members, name))
            yield {"item_id": ids[PurePosixPath(name)], "image": picture, "label": label}
