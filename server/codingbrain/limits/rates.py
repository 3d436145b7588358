"""Rates as operators write them: how much in how long, and a burst paired with what may be sustained."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from limits import parse

from codingbrain.errors import ConfigurationError
from codingbrain.settings import Settings

DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Rate:
    """`limit` cost units in every `window` seconds; `text` is how it was written, e.g. `100/2 second`."""

    text: str
    limit: int
    window: int

    @classmethod
    def read(cls, text: str) -> Self:
        """A rate in the notation of the `limits` library.

        Raises:
            ValueError: it is none.
        """
        item = parse(text)
        if not item.amount:
            message = "a rate allows at least 1"
            raise ValueError(message)
        return cls(text, item.amount, item.get_expiry())

    def within(self, ceiling: "Rate") -> bool:
        """Whether it can never allow more than `ceiling` in the window of that."""
        return self.limit * max(1, -(-ceiling.window // self.window)) <= ceiling.limit


@dataclass(frozen=True, slots=True)
class Pair:
    """What may be used at once, and what may be used on and on; both hold."""

    burst: Rate
    sustained: Rate


@lru_cache(maxsize=1024)
def pair(burst: str, sustained: str) -> Pair:
    """Two rates as they are written.

    Raises:
        ValueError: one is no rate, or the windows do not fit each other.
    """
    found = Pair(Rate.read(burst), Rate.read(sustained))
    if not found.burst.window < found.sustained.window <= DAY_SECONDS:
        message = "the window of burst must be shorter than that of sustained, which is at most a day"
        raise ValueError(message)
    return found


@dataclass(frozen=True, slots=True)
class Rates:
    """What applies where no administrator has set anything: to an org, to a user, and to an org's use of one item."""

    org: Pair
    user: Pair
    item: Pair

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The rates that the operator configured."""
        return cls(
            _pair("rate_org", settings.rate_org_burst, settings.rate_org),
            _pair("rate_user", settings.rate_user_burst, settings.rate_user),
            _pair("rate_tool", settings.rate_tool_burst, settings.rate_tool),
        )


def _pair(setting: str, burst: str, sustained: str) -> Pair:
    try:
        return pair(burst, sustained)
    except ValueError as error:
        raise ConfigurationError([f"{setting}: {error}"]) from None


FLOOR: Final = pair("50/second", "600/minute")
"""For each user's calls of the routes that change limits; nothing else counts there, and nobody can change it."""
