"""HTML pages cut at their headings and defined terms."""

import re
from html.parser import HTMLParser

from tests.quality.sections import Section

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "dt"})
_SILENT = frozenset({"script", "style", "head", "nav", "footer", "button", "select"})
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_BLOCKS = frozenset({"p", "div", "li", "ul", "ol", "dl", "dd", "table", "tr", "pre", "blockquote", "section", "hr"})
_FURNITURE = re.compile(r"sidebar|\brelated\b|headerlink|toctree|\bcontents\b|navheader|navfooter|navigation")
_SPACES = re.compile(r"[ \t\r\f\v\xa0]+")
_BLANKS = re.compile(r"\s*\n\s*\n\s*")


class _Reader(HTMLParser):
    """Collects (heading, body) pairs; text inside page furniture is left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pairs: list[tuple[list[str], list[str]]] = [([], [])]
        self._silence: list[str] = []
        self._heading: str | None = None
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silence or tag in _SILENT or _is_furniture(attrs):
            if tag not in _VOID:
                self._silence.append(tag)
        elif tag in _HEADINGS:
            self._heading = tag
            self.pairs.append(([], []))
        else:
            self._verbatim += tag == "pre"
            self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._silence:
            self._unwind(tag)
        elif tag == self._heading:
            self._heading = None
        else:
            self._verbatim -= tag == "pre"
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._silence:
            part = 0 if self._heading else 1
            self.pairs[-1][part].append(data if self._verbatim else data.replace("\n", " "))

    def _break(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.pairs[-1][1].append("\n\n" if tag != "li" else "\n")
        elif tag == "br":
            self.pairs[-1][1].append("\n")

    def _unwind(self, tag: str) -> None:
        """Close `tag` and whatever was left open inside it."""
        if tag in self._silence:
            last = len(self._silence) - 1 - self._silence[::-1].index(tag)
            del self._silence[last:]


def read(place: str, page: str) -> list[Section]:
    """The sections of one page, in order; text before the first heading is left out."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return [Section(place, _line("".join(heading)), _prose("".join(body))) for heading, body in reader.pairs[1:]]


def _is_furniture(attrs: list[tuple[str, str | None]]) -> bool:
    return any(name in {"class", "role", "id"} and value and _FURNITURE.search(value) for name, value in attrs)


def _line(text: str) -> str:
    return " ".join(text.replace("¶", " ").split())


def _prose(text: str) -> str:
    return _BLANKS.sub("\n\n", _SPACES.sub(" ", text)).strip()
