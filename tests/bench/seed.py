"""Fill a data directory with a large corpus: `python -m tests.bench.seed DATA_DIR SIZE`.

The memories are written the way every memory is, by the service, into the record, the outbox and the indexes; only
the embedding model is told the vectors beforehand, since computing 100,000 of them takes the better part of an hour.
"""

import sys
from pathlib import Path
from typing import Final

import anyio

from codingbrain.domain.memory import Draft
from codingbrain.domain.receipt import Indexing, Receipt
from codingbrain.runtime import Workspace, open_runtime
from codingbrain.settings import load
from codingbrain.telemetry.metrics import Metrics
from tests.bench.texts import Corpus, corpus
from tests.bench.wire import clock
from tests.quality.embedding import model
from tests.quality.recalled import Recalled

_BATCH: Final = 500
_PATIENCE: Final = 1.0
_INDEXING_SECONDS: Final = 1_800.0


async def seed(data: Path, made: Corpus) -> None:
    """Write the corpus and wait until every lane can find it."""
    settings = load({"data_dir": data, "queue_limit": 10 * len(made.texts) + 1_000})
    known = dict(zip(made.texts, made.vectors, strict=True))
    started = clock()
    async with open_runtime(settings, Metrics(), lambda: Recalled(model(), known)) as runtime:
        workspace = runtime.workspace(runtime.owner)
        last = await _write(workspace, made.texts)
        print(f"wrote {len(made.texts)} memories in {clock() - started:.0f} s", file=sys.stderr)
        await _indexed(workspace, last)
    print(f"all lanes caught up after {clock() - started:.0f} s", file=sys.stderr)


async def _write(workspace: Workspace, texts: tuple[str, ...]) -> list[Receipt]:
    receipts: list[Receipt] = []
    for start in range(0, len(texts), _BATCH):
        receipts = await workspace.memories.add([Draft(text) for text in texts[start : start + _BATCH]])
    return receipts


async def _indexed(workspace: Workspace, last: list[Receipt]) -> None:
    """The lanes take memories up in the order of their writing, so the last ones tell for all."""
    with anyio.fail_after(_INDEXING_SECONDS):
        while any(one.vector is not Indexing.INDEXED for one in await workspace.memories.settle(last, _PATIENCE)):
            pass


if __name__ == "__main__":
    anyio.run(seed, Path(sys.argv[1]), corpus(int(sys.argv[2])))
