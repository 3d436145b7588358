"""Text to token ids, and to the places of the tokens in the text."""

from typing import Final

from tokenizers import Tokenizer

MAX_TOKENS: Final = 512
"""Tokens of one sequence, `<s>` and `</s>` included; the model has no positions beyond."""

PAD: Final = 1
"""The id that fills a batch up to its longest row; no text can yield it."""

_END: Final = 2

Span = tuple[int, int]
"""The half-open range of characters that a token stands for; bytes of one character share its range."""


class Tokens:
    """A byte-level BPE tokenizer: a text never has more tokens than UTF-8 bytes."""

    def __init__(self, definition: bytes) -> None:
        self._tokenizer = Tokenizer.from_buffer(definition)
        # Else a text that says "</s>" or "<pad>" would steer the model.
        self._tokenizer.encode_special_tokens = True

    def ids(self, text: str) -> list[int]:
        """`<s>`, the text, `</s>`; the end of a text beyond `MAX_TOKENS` is cut off."""
        ids = self._tokenizer.encode(text).ids
        return ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], _END]

    def spans(self, text: str) -> list[Span]:
        """Where each token of the text stands, in order; white space before a word is in no range."""
        return self._tokenizer.encode(text, add_special_tokens=False).offsets


def scalars(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates, which no encoding holds, replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
