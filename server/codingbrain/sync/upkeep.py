"""What has to be done from time to time: forget what its owners deleted long ago."""

from typing import Final

import anyio
from loguru import logger

from codingbrain.clock import DAY, Clock
from codingbrain.errors import CodingbrainError
from codingbrain.identity.operator import Operator
from codingbrain.record import idempotency
from codingbrain.record.purge import purge_deleted
from codingbrain.record.unit import OperatorRecord

OPERATOR: Final = Operator("purge what was deleted long ago")

_EVERY_SECONDS: Final = 3_600.0
_BATCH: Final = 500


class Upkeep:
    """Purges deleted memories after their days of grace, and idempotency keys after theirs."""

    def __init__(self, record: OperatorRecord, deleted_days: int, clock: Clock) -> None:
        self._record = record
        self._grace = deleted_days * DAY
        self._clock = clock

    async def run(self) -> None:
        """Work once now and then every hour, until cancelled."""
        while True:
            try:
                await self.once()
            except CodingbrainError as error:
                logger.warning("upkeep failed and will be tried again: {}", error.message)
            await anyio.sleep(_EVERY_SECONDS)

    async def once(self) -> None:
        """Purge in batches, so that other writes get their turn."""
        at = self._clock()
        await self._record.write(lambda session: idempotency.expire(session, at))
        while await self._record.write(lambda session: purge_deleted(session, at - self._grace, _BATCH)) == _BATCH:
            pass
