"""Fetch the packages and build the test collections from them: `python -m tests.quality.fetch`.

The collections are kept outside the checkout (`$XDG_CACHE_HOME/codingbrain-bench`); once there, nothing is fetched
again and the benchmark runs offline.
"""

import sys
from collections.abc import Callable, Mapping

from tests.quality import dialogue, faq
from tests.quality.collection import Collection, folder, save, saved
from tests.quality.packages import FetchError

BUILDERS: Mapping[str, Callable[[], Collection]] = {faq.NAME: faq.build, dialogue.NAME: dialogue.build}

DIGESTS = {
    faq.NAME: "0487476ee63d26bb85b38717d53a301dabbbf17115bc5f57a3643f5b167a34bb",
    dialogue.NAME: "80a2f6c6fee53355f723739df6a10117acd11f735b915a6e42ac27383ff1bbf9",
}
"""What the pinned packages give."""


def main() -> int:
    """Build each collection that is not there as pinned; 1 if one is missing afterwards."""
    missing = 0
    for name, build in BUILDERS.items():
        collection = saved(name)
        if collection is None or collection.digest != DIGESTS[name]:
            try:
                collection = build()
                save(collection)
            except FetchError as error:
                print(f"{name}: {error}", file=sys.stderr)
        if collection is None:
            missing = 1
        else:
            describe(collection)
    return missing


def describe(collection: Collection) -> None:
    """Print where a collection comes from and whether it is the one that the published figures are about."""
    asked = {part: len(collection.split(part)) for part in ("dev", "test")}
    print(f"{collection.name}: {len(collection.texts)} texts, questions {asked}, in {folder()}")
    for origin in collection.origins:
        came = f"{origin.package} {origin.version} ({origin.licence})"
        print(f"  {came}: {origin.texts} texts, {origin.questions} questions")
    same = collection.digest == DIGESTS.get(collection.name, collection.digest)
    print(f"  digest {collection.digest[:16]}: " + ("as pinned" if same else "NOT the pinned collection"))


if __name__ == "__main__":
    sys.exit(main())
