"""Reading a list page by page."""

from tests.journeys.program import Stdio


async def everything(front: Stdio) -> set[str]:
    """The texts of all memories, page by page."""
    texts: set[str] = set()
    more: dict[str, object] = {}
    while True:
        page = (await front.call("list_memories", limit=100, **more))["result"]["structuredContent"]
        texts |= {memory["text"] for memory in page["memories"]}
        if not page.get("cursor"):
            return texts
        more = {"cursor": page["cursor"]}
