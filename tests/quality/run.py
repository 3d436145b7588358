"""The retrieval-quality benchmark: `make bench-quality`, or `python -m tests.quality.run`.

Asks the test questions of each collection, of the product and of the baselines, and prints one table per collection;
the figures are also written to `reports/quality.json`. Needs the collections (`python -m tests.quality.fetch`), no
network.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import anyio

from tests.bench.server import serving
from tests.quality import baselines, product
from tests.quality.collection import Collection, Question, load
from tests.quality.embedding import embedded
from tests.quality.fetch import BUILDERS, describe
from tests.quality.metrics import MEASURES, Estimate, Ranking, difference, estimate

PRODUCT = "codingbrain"

Values = Mapping[str, Sequence[float]]
"""Per measure, one value per question."""


def main() -> int:
    """Measure and report; the exit code says whether it ran, not how good it was."""
    parser = argparse.ArgumentParser(prog="tests.quality.run", description=__doc__)
    parser.add_argument("--collection", action="append", choices=sorted(BUILDERS), help="default: all")
    parser.add_argument("--baselines-only", action="store_true", help="do not start the server")
    parser.add_argument("--report", type=Path, default=Path("reports/quality.json"))
    asked = parser.parse_args()
    found = {name: measure(load(name), with_product=not asked.baselines_only) for name in asked.collection or BUILDERS}
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    return 0


def measure(collection: Collection, *, with_product: bool) -> dict[str, object]:
    """One collection: print its table, and give the same for the report."""
    describe(collection)
    questions = collection.split("test")
    answers = {name: [ranker(one.text) for one in questions] for name, ranker in _baselines(collection).items()}
    if with_product:
        answers = {PRODUCT: _product(collection, questions), **answers}
    values = {name: _values(rankings, questions) for name, rankings in answers.items()}
    print(table(values, len(questions)))
    return {
        "texts": len(collection.texts),
        "questions": len(questions),
        "digest": collection.digest,
        "origins": [asdict(origin) for origin in collection.origins],
        "measures": {name: {which: asdict(estimate(of)) for which, of in row.items()} for name, row in values.items()},
        "differences": {name: {which: asdict(gain) for which, gain in row.items()} for name, row in _gains(values)},
    }


def table(values: Mapping[str, Values], questions: int) -> str:
    """Mean and 95 % interval of each measure, and how much better the product's recall is than each baseline's."""
    head = f"{questions} test questions".ljust(28) + "".join(name.ljust(22) for name in MEASURES)
    rows = [head, *(_row(name, [estimate(row[which]) for which in MEASURES]) for name, row in values.items())]
    gains = [f"  {PRODUCT} - {name}: recall@10 {_signed(gain['recall@10'])}" for name, gain in _gains(values)]
    return "\n".join([*rows, *gains])


def _baselines(collection: Collection) -> dict[str, baselines.Ranker]:
    vectors = embedded(collection)
    embedding = {one.text: vector for one, vector in zip(collection.questions, vectors.questions, strict=True)}
    grep, bm25 = baselines.grep(collection.texts), baselines.bm25(collection.texts)
    near = baselines.vectors(collection.texts, vectors.pieces, vectors.owners, embedding.__getitem__)
    return {"grep": grep, "BM25": bm25, "vectors alone": near, "plain RRF": baselines.fused([bm25, near])}


def _product(collection: Collection, questions: Sequence[Question]) -> list[Ranking]:
    async def answers() -> dict[str, Ranking]:
        async with product.session(server) as client:
            return await product.rankings(client, collection, questions)

    with tempfile.TemporaryDirectory(prefix="cb-") as folder, serving(Path(folder) / "data") as server:
        found = anyio.run(answers)
    return [found[question.id] for question in questions]


def _values(rankings: Sequence[Ranking], questions: Sequence[Question]) -> Values:
    def each(score: Callable[[Ranking, frozenset[str]], float]) -> list[float]:
        return [score(ranking, one.relevant) for ranking, one in zip(rankings, questions, strict=True)]

    return {name: each(score) for name, score in MEASURES.items()}


def _gains(values: Mapping[str, Values]) -> list[tuple[str, dict[str, Estimate]]]:
    ours = values.get(PRODUCT)
    if ours is None:
        return []
    others = [name for name in values if name != PRODUCT]
    return [(name, {which: difference(ours[which], values[name][which]) for which in MEASURES}) for name in others]


def _row(name: str, estimates: Sequence[Estimate]) -> str:
    return name.ljust(28) + "".join(f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}] ".ljust(22) for one in estimates)


def _signed(gain: Estimate) -> str:
    return f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


if __name__ == "__main__":
    sys.exit(main())
