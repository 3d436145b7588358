"""What is required, and how much of it is delivered."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far one requirement is met, what is missing if anything is, and fixtures that are doors for it alone."""

    status: Literal["complete", "partial"]
    note: str = ""
    doors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The delivered requirements, and the fixtures that count as doors for all of them."""

    doors: frozenset[str]
    delivered: dict[str, Delivery]

    @classmethod
    def load(cls) -> Self:
        """Read `manifest.toml`."""
        raw = tomllib.loads((HERE / "manifest.toml").read_text("utf-8"))
        return cls(frozenset(raw["doors"]), {name: Delivery(**entry) for name, entry in raw["delivered"].items()})

    def doors_of(self, requirement: str) -> frozenset[str]:
        """The fixtures that count as doors for one requirement."""
        return self.doors.union(self.delivered[requirement].doors if requirement in self.delivered else ())


def known() -> frozenset[str]:
    """Every requirement's id."""
    families = tomllib.loads((HERE / "ids.toml").read_text("utf-8"))
    return frozenset(f"{family}-{number}" for family, count in families.items() for number in range(1, count + 1))
