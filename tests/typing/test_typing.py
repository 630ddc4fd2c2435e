"""Both type checkers, as a user runs them: strict, no plugin, on good and on bad code."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

# For each file and line: the codes of the errors there.
Errors: TypeAlias = dict[tuple[str, int], set[str]]

MARK = re.compile(r"# E: (?P<mypy>[^|]*) \| (?P<pyright>.*)")
MYPY_ERROR = re.compile(r"^(?:.*[/\\])?(?P<file>\w+\.py):(?P<line>\d+): error: .*\[(?P<code>.+)\]$")


@pytest.fixture
def user_code(tmp_path: Path) -> Path:
    """Return a directory of a user: both files, outside of the project and its settings."""
    shutil.copy(HERE / "good.py", tmp_path / "good.py")
    shutil.copy(HERE / "bad.py.txt", tmp_path / "bad.py")
    return tmp_path


def expected(checker: str) -> Errors:
    """Return what the marks in the bad file say."""
    lines = (HERE / "bad.py.txt").read_text(encoding="utf-8").splitlines()
    return {
        ("bad.py", number): set(re.split(r",\s*", mark[checker].strip()))
        for number, line in enumerate(lines, start=1)
        if not line.startswith("`") and (mark := MARK.search(line))
    }


def add(errors: Errors, file: str, line: int, code: str) -> None:
    """Note an error; those in other files are not this test's business."""
    if file in ("good.py", "bad.py"):
        errors.setdefault((file, line), set()).add(code)


def test_mypy_checks_the_data_flow_of_sagas(user_code: Path) -> None:
    """It finds each marked mistake and nothing else."""
    run = subprocess.run(
        [
            *[sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-pretty"],
            *[f"--cache-dir={ROOT / '.mypy_cache'}", "--hide-error-context"],
            *["good.py", "bad.py"],
        ],
        cwd=user_code,
        env=os.environ | {"MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    found: Errors = {}
    for line in run.stdout.splitlines():
        if match := MYPY_ERROR.match(line):
            add(found, match["file"], int(match["line"]), match["code"])
    assert found == expected("mypy"), run.stdout


def test_pyright_checks_the_data_flow_of_sagas(user_code: Path) -> None:
    """It finds each marked mistake and nothing else."""
    settings = {
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "include": ["good.py", "bad.py"],
        "extraPaths": [str(ROOT / "src")],
    }
    (user_code / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    run = subprocess.run(
        [
            *[sys.executable, "-m", "basedpyright", "--outputjson"],
            *["--project", str(user_code), "--pythonpath", sys.executable],
        ],
        cwd=user_code,
        capture_output=True,
        text=True,
        check=False,
    )
    report: dict[str, Any] = json.loads(run.stdout)
    found: Errors = {}
    for each in report["generalDiagnostics"]:
        if each["severity"] == "error":
            line = each["range"]["start"]["line"] + 1
            add(found, Path(each["file"]).name, line, each.get("rule", "syntax"))
    assert found == expected("pyright")
