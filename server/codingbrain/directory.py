"""Where an embedded install keeps its data, in terms of the standard library only.

The stdio front needs this before anything else is imported.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ENV_DATA_DIR = "CODINGBRAIN_DATA_DIR"


def default_data_dir(env: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """The data directory: `CODINGBRAIN_DATA_DIR`, else the platform's place for application data."""
    if named := env.get(ENV_DATA_DIR):
        return Path(named).expanduser()
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    match platform:
        case "win32":
            return Path(env.get("LOCALAPPDATA") or home / "AppData" / "Local") / "codingbrain"
        case "darwin":
            return home / "Library" / "Application Support" / "codingbrain"
        case _:
            return Path(env.get("XDG_DATA_HOME") or home / ".local" / "share") / "codingbrain"
