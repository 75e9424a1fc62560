"""Random numbers for one of many cases. They do not depend on the other cases or their order."""

from hashlib import sha256

import numpy as np


def stream(seed: int, *case: str | float) -> np.random.Generator:
    """The random generator of a case, determined by the run's seed and the case's own values.
    Numbers that agree to 12 decimals (also 1 and 1.0) give the same generator."""
    words = [value if isinstance(value, str) else f"{value:.12f}" for value in case]
    digest = sha256("\n".join(words).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, dtype="<u4").tolist()])
