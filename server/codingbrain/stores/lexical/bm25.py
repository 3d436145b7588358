"""BM25 as arithmetic (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009).

The inverse document frequency is the one that cannot be negative. A text's length is kept as a byte in steps of a
sixteenth of an octave, which is as exact as the formula cares.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

K1: Final = 1.2
_B: Final = 0.75
_STEPS: Final = 16
_LENGTHS: Final = np.exp2(np.arange(256, dtype=np.float32) / _STEPS)


def norm(length: int) -> int:
    """The byte that stands for a length in words."""
    return min(255, round(_STEPS * math.log2(max(1, length))))


def rarity(texts: int, holding: int) -> float:
    """The inverse document frequency of a word that `holding` of `texts` hold."""
    return math.log1p((texts - holding + 0.5) / (holding + 0.5))


def gains(frequency: float, average: float) -> Floats:
    """What a word that occurs `frequency` times is worth, times its rarity, in a text of each norm: shape (256,)."""
    return (frequency * (K1 + 1) / (frequency + damping(average))).astype(np.float32)


def damping(average: float) -> Floats:
    """What is added to a word's frequency in the denominator, for a text of each norm: shape (256,)."""
    return (K1 * (1 - _B + _B * _LENGTHS / average)).astype(np.float32)
