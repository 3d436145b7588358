"""Perl's Plain Old Documentation (perlpod) cut at its headings and items."""

import re

from tests.quality.sections import Section

_COMMAND = re.compile(r"^=(\w+)[ \t]*(.*)\Z", re.DOTALL)
_ENTITY = re.compile(r"E<(\w+)>")
_LINK = re.compile(r"L<(?:([^<>|]+)\|)?([^<>]*)>")
_CODE = re.compile(r"[BCFISXZ]<<+ (.*?) >>+|[BCFIS]<([^<>]*)>", re.DOTALL)
_INDEX = re.compile(r"[XZ]<[^<>]*>")
_ENTITIES = {"lt": "<", "gt": ">", "verbar": "|", "sol": "/", "eacute": "é", "auml": "ä", "ouml": "ö", "uuml": "ü"}
_HEADINGS = frozenset({"head1", "head2", "head3", "head4", "item"})
_FOREIGN = frozenset({"begin", "for", "encoding", "cut"})


def read(place: str, pod: str) -> list[Section]:
    """The sections of one file, in order, with the formatting codes resolved."""
    sections: list[tuple[str, list[str]]] = [("", [])]
    for paragraph in re.split(r"\n[ \t]*\n+", pod):
        command = _COMMAND.match(paragraph)
        if command is None:
            sections[-1][1].append(_plain(paragraph))
        elif command[1] in _HEADINGS:
            sections.append((_plain(" ".join(command[2].split())), []))
        elif command[1] in _FOREIGN:
            continue
    return [Section(place, heading, "\n\n".join(filter(None, body))) for heading, body in sections[1:]]


def _plain(text: str) -> str:
    """Verbatim paragraphs (indented) stay as they are."""
    if text[:1] in {" ", "\t"}:
        return text.rstrip()
    text = _INDEX.sub("", text)
    for _ in range(3):
        text = _CODE.sub(lambda m: m[1] or m[2] or "", _LINK.sub(lambda m: m[1] or m[2], text))
    return _ENTITY.sub(lambda m: _ENTITIES.get(m[1], ""), text).strip()
