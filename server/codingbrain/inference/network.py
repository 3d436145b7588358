"""The encoder's computation: a graph without weights, completed with those of a pack, run by onnxruntime in f32."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs] (there are none)
from numpy.typing import NDArray

from codingbrain.errors import ModelUnavailableError
from codingbrain.inference.pack import Dense, Pack, Tensor

TABLE: Final = "word_emb"
"""The word embeddings: an input of the graph, not a weight, so that they stay int8 and mapped from the file."""

VALUES: Final = ".values"
SCALES: Final = ".scales"
"""What the two parts of a quantised tensor are called in the graph, after the tensor's own name."""

Array = NDArray[Any]

_runtime: Any = onnxruntime
_faults: Any = _runtime.capi.onnxruntime_pybind11_state
_FAULTS: Final[tuple[type[Exception], ...]] = (
    _faults.EngineError,
    _faults.EPFail,
    _faults.Fail,
    _faults.InvalidArgument,
    _faults.InvalidGraph,
    _faults.InvalidProtobuf,
    _faults.NotImplemented,
    _faults.RuntimeException,
    MemoryError,
)


class _Session(Protocol):
    def run(self, output_names: None, input_feed: Mapping[str, Array]) -> list[Array]: ...


class Network:
    """Token ids to vectors; `run` may be called from several threads at once, each computing on its own.

    Raises:
        ModelUnavailableError: the graph and the weights do not fit, or memory is short.
    """

    def __init__(self, graph: bytes, pack: Pack, threads: int) -> None:
        self._table = dict(_parts(TABLE, pack.tensors[TABLE]))
        weights = [part for name, tensor in pack.tensors.items() if name != TABLE for part in _parts(name, tensor)]
        with _reported():
            self._session = _session(graph, weights, threads)

    def run(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of a batch of shape (texts, length ≤ 512): shape (texts, dimension), rows of unit length.

        Raises:
            ModelUnavailableError: the computation failed.
        """
        with _reported():
            (vectors,) = self._session.run(None, {"ids": ids, **self._table})
        return vectors


def _parts(name: str, tensor: Tensor) -> list[tuple[str, Array]]:
    if isinstance(tensor, Dense):
        return [(name, tensor.values)]
    return [(name + VALUES, tensor.values), (name + SCALES, tensor.scales)]


def _session(graph: bytes, weights: list[tuple[str, Array]], threads: int) -> _Session:
    """Loading folds integers x scales into f32, packs that for multiplication, and keeps only the packed form."""
    options = _runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # An arena never gives back what the longest batch needed.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Else the dequantisation would not be folded but repeated in each run.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    values = [_runtime.OrtValue.ortvalue_from_numpy(value) for _, value in weights]
    options.add_external_initializers([name for name, _ in weights], values)
    return _runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@contextmanager
def _reported() -> Generator[None]:
    try:
        yield
    except _FAULTS as error:
        raise ModelUnavailableError("The embedding model failed: try again, then restart the server.") from error
