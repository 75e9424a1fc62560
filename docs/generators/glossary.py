"""The words that the pages, the configuration and the code use, from the one list of them."""

from pathlib import Path

from generators.markdown import table
from modality_gap.config.load import load_yaml


def glossary(path: Path) -> str:
    """All words of config/ledger/glossary.yaml in alphabetical order, with their meaning."""
    words = {word: text for part in load_yaml(path).values() for word, text in part.items()}
    rows = [[f"**{word}**", words[word]] for word in sorted(words, key=str.lower)]
    return table(["word", "meaning"], rows)
