"""How a change of a memory reaches its indexes: with the row where the index lives in the same file, else queued."""

from dataclasses import dataclass

from codingbrain.clock import Micros
from codingbrain.domain.memory import Memory, State
from codingbrain.domain.query import Lane
from codingbrain.ports.lexical import ColocatedLexical, DropText, PutText, TextChange
from codingbrain.record.outbox import enqueue
from codingbrain.record.unit import Unit
from codingbrain.retrieval.backlog import Backlog
from codingbrain.retrieval.labels import facets_of, keywords_of


@dataclass(frozen=True, slots=True)
class Indexes:
    """Where changes have to go; `follows` is the backlog of the vector lane, or none if there is no such lane."""

    lexical: ColocatedLexical
    follows: Backlog | None

    def changed(self, unit: Unit, memory: Memory, at: Micros) -> None:
        """Take a memory's new version into account, within the transaction that stores it."""
        self.lexical.enlist(unit.session.connection(), unit.principal.tenant, [text_change(memory)])
        if self.follows is not None:
            enqueue(unit, Lane.VECTOR, memory.id, memory.version, at)


def text_change(memory: Memory) -> TextChange:
    """What the lexical lane has to do for a memory's newest version."""
    if memory.state is State.DELETED:
        return DropText(memory.id, memory.version)
    return PutText(memory.id, memory.version, facets_of(memory), memory.text, keywords_of(memory))
