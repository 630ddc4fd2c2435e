"""The environment that DBOS is installed in, so that the one of the project stays small."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
REQUIREMENTS: Final = HERE / "requirements.txt"


def python_of_dbos() -> Path:
    """Return the interpreter that has DBOS; makes the environment when it is not as required."""
    place = HERE / ".venv"
    stamp = place / ".stamp"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    python = place / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"making {place} (once)", file=sys.stderr)
        venv.create(place, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", "-r", REQUIREMENTS], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python
