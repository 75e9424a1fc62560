"""Says how to cite the paper and the workflow, and which run a page belongs to."""

import datetime
from collections.abc import Iterable, Mapping

from modality_gap.pages.words import count

LETTERS_OF_A_COMMIT = 10


def cited(citation: Mapping) -> dict[str, str]:
    """BibTeX of the paper and of the workflow, the address of the paper, the licence and, if there
    is one, the address of the repository. `citation` is CITATION.cff as a mapping."""
    paper = citation["references"][0]
    first = paper["authors"][0]["family-names"].lower()
    entries = [
        (
            f"@inproceedings{{{first}{paper['year']},",
            {
                "title": paper["title"],
                "author": _authors(paper["authors"]),
                "booktitle": paper["collection-title"],
                "volume": paper["volume"],
                "year": paper["year"],
                "url": paper["url"],
            },
        ),
        (
            "@software{reproduced,",
            {
                "title": citation["title"],
                "author": _authors(citation["authors"]),
                "version": citation["version"],
                "date": citation["date-released"],
                "license": citation["license"],
            },
        ),
    ]
    bibtex = "\n".join(
        "\n".join([head, *(f"  {key} = {{{value}}}," for key, value in fields.items()), "}"])
        for head, fields in entries
    )
    return {
        "bibtex": bibtex,
        "url": paper["url"],
        "licence": citation["license"],
        "repository": citation.get("repository-code", ""),
    }


def _authors(authors: Iterable[Mapping]) -> str:
    """The authors, joined as BibTeX joins them. Braces keep the name of a group together."""
    return " and ".join(
        f"{{{one['name']}}}" if "name" in one else f"{one['family-names']}, {one['given-names']}"
        for one in authors
    )


def stamp(record: Mapping, version: str) -> dict[str, str]:
    """The date, commit and configuration of a run, from results/run.json. A missing value is "not
    recorded"."""
    code = record.get("code", {})
    commit = code.get("commit", "")[:LETTERS_OF_A_COMMIT] or "not recorded"
    if code.get("changes"):
        commit += f" with {count(len(code['changes']), 'changed file')}"
    date = "date not recorded"
    if "started" in record:
        began = datetime.datetime.fromtimestamp(record["started"], datetime.UTC)
        date = began.date().isoformat()
    configuration = [*record.get("configfiles", []), *record.get("settings", {})]
    return {
        "date": date,
        "commit": commit,
        "configuration": (
            f"configuration: default with {', '.join(configuration)}"
            if configuration
            else "default configuration"
        ),
        "version": version,
    }
