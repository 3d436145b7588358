"""Documentation cut at its headings: the form in which both markup readers hand text on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the prose up to the next heading; `place` names the file, relative to its package."""

    place: str
    heading: str
    body: str
