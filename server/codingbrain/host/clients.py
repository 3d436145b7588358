"""Who is connected to a host."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio
from anyio.abc import ByteStream


class Voice(ByteStream):
    """One connection, on which the host may say something of its own between the server's lines."""

    def __init__(self, stream: ByteStream) -> None:
        """What is sent at once is never split: a caller sends whole lines."""
        self._stream = stream
        self._turn = anyio.Lock()

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        """Up to `max_bytes` of what the front sent."""
        return await self._stream.receive(max_bytes)

    async def send(self, item: bytes) -> None:
        """Send all of it, after what is being sent."""
        async with self._turn:
            await self._stream.send(item)

    async def send_eof(self) -> None:
        """Close the sending side."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Hang up."""
        await self._stream.aclose()


class Clients:
    """The fronts that are connected now, and the commands that are being answered."""

    def __init__(self) -> None:
        self._voices: set[Voice] = set()
        self._commands = 0
        self._changed = anyio.Event()
        self._farewell = b""

    def __len__(self) -> int:
        """How many fronts there are."""
        return len(self._voices)

    @asynccontextmanager
    async def joined(self, voice: Voice) -> AsyncGenerator[None]:
        """Count a front while the block runs; one that comes too late is dismissed at once."""
        self._voices.add(voice)
        self._change()
        try:
            if self._farewell:
                await voice.send(self._farewell)
            yield
        finally:
            self._voices.discard(voice)
            self._change()

    @contextmanager
    def asked(self) -> Generator[None]:
        """Count a command while the block runs."""
        self._commands += 1
        self._change()
        try:
            yield
        finally:
            self._commands -= 1
            self._change()

    async def absent(self, seconds: float) -> None:
        """Return once there has been nobody for so long."""
        while True:
            changed = self._changed
            if self._voices or self._commands:
                await changed.wait()
                continue
            with anyio.move_on_after(seconds):
                await changed.wait()
            if not changed.is_set():
                return

    async def dismiss(self, line: bytes) -> None:
        """Say `line` to each front, those that are still to come included, and return once nobody is left."""
        self._farewell = line
        async with anyio.create_task_group() as tasks:
            for voice in self._voices:
                tasks.start_soon(_say, voice, line)
        while self._voices or self._commands:
            await self._changed.wait()

    async def hang_up(self) -> None:
        """Close every connection."""
        for voice in tuple(self._voices):
            await voice.aclose()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


async def _say(voice: Voice, line: bytes) -> None:
    try:
        await voice.send(line)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return
