"""The style rules that a linter cannot say, as tests; each says why.

A rule that is wrong is changed here, in the open, with its reason. Nothing else is exempt: the two
tables below are the only exceptions, and a test fails when an entry is no longer needed.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType, ModuleType

import pytest

import sagacity

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "sagacity"
TESTS = ROOT / "tests"

MAX_LINES = 450

# The ratchet: files over the limit that are tolerated, and the length they must not outgrow.
GIANTS: MappingProxyType[str, int] = MappingProxyType({})

# Test files that may sleep, and why the wait cannot be for a fact.
SLEEPERS: MappingProxyType[str, str] = MappingProxyType(
    {"tests/recovery/kill_program.py": "its actions take time, so that kills fall into them"}
)

# The field's word is undo; these three are other models' words (what a saga means, "Words").
# `rollback` may be called, as the database's method, but nothing of ours has the name.
FOREIGN_NAMES = re.compile(r"compensat|workflow|roll_?back", re.IGNORECASE)
FOREIGN_PROSE = re.compile(r"compensat|workflow", re.IGNORECASE)

UNSAFE_MODULES = frozenset({"pickle", "marshal", "shelve", "dill", "cloudpickle"})
UNSAFE_CALLS = frozenset({"eval", "exec", "compile", "__import__"})


def python_files(*roots: Path) -> list[Path]:
    """Return every Python file below `roots`; a root without any means the test looks in vain."""
    found: list[Path] = []
    for root in roots:
        below = sorted(root.rglob("*.py"))
        assert below, f"no Python files below {root}: was it moved? Then move this test's root too"
        found += below
    return found


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def located(path: Path, node: ast.stmt | ast.expr | ast.arg) -> str:
    return f"{shown(path)}:{node.lineno}"


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def report(rule: str, found: list[str]) -> str:
    return "\n  ".join([rule, *found])


def test_no_file_outgrows_a_sitting() -> None:
    """A file is one idea, read from top to bottom; past 450 lines it is two."""
    found: list[str] = []
    for path in python_files(SRC):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        limit = GIANTS.get(shown(path), MAX_LINES)
        if lines > limit:
            found.append(f"{shown(path)}: {lines} lines, at most {limit}")
    assert not found, report("Split by idea, not by size:", found)


def test_the_ratchet_only_tightens() -> None:
    """A giant that shrank gives its exception back, so that it cannot grow again."""
    found = [
        f"{name}: now {lines} lines, listed with {limit}"
        for name, limit in GIANTS.items()
        if (lines := len((ROOT / name).read_text(encoding="utf-8").splitlines())) < limit
    ]
    assert not found, report("Lower the number in GIANTS, or drop the entry:", found)


def test_no_todo() -> None:
    """Work to do is an issue that someone can find; a note in the code is found by nobody."""
    marker = re.compile(r"\bTO[D]O\b|\bFIX[M]E\b|\bXX[X]\b")
    found = [
        f"{shown(path)}:{number}"
        for path in python_files(SRC, TESTS)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if marker.search(line)
    ]
    assert not found, report("Do it, or open an issue:", found)


def defined_names(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each name that a file gives to something, and where; names it only uses are free."""
    yield path.stem, shown(path)
    for node in ast.walk(parsed(path)):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name, located(path, node)
            case ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
                yield name, located(path, node)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, located(path, node)
            case _:
                pass


def test_our_things_have_the_fields_names() -> None:
    """One meaning, one word: a reader must not wonder whether two words are two things."""
    found = [
        f"{place}: {name}"
        for path in python_files(SRC)
        for name, place in defined_names(path)
        if FOREIGN_NAMES.search(name)
    ]
    assert not found, report("Say undo, saga or unwind:", found)


def test_our_prose_has_the_fields_words() -> None:
    """The same in docstrings, comments and messages, where users learn the words."""
    found = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path in python_files(SRC)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if FOREIGN_PROSE.search(line)
    ]
    assert not found, report("Say undo or saga:", found)


def sleeps(path: Path) -> list[str]:
    """Return the places where a file sleeps; `asyncio.sleep(0)` only lets others run."""
    found: list[str] = []
    for node in ast.walk(parsed(path)):
        match node:
            case ast.ImportFrom(module="asyncio" | "time", names=names):
                # Under another name a sleep would not be seen below.
                found += [located(path, node) for alias in names if alias.name == "sleep"]
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="asyncio"), attr="sleep"),
                args=[ast.Constant(value=0)],
            ):
                pass
            case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio" | "time"), attr="sleep")):
                found.append(located(path, node))
            case _:
                pass
    return found


def test_tests_do_not_sleep() -> None:
    """A sleep is a guess: too short, and the test fails on a slow day; too long, and all wait."""
    found = [
        place
        for path in python_files(TESTS)
        if shown(path) not in SLEEPERS
        for place in sleeps(path)
    ]
    assert not found, report("Move the clock, or wait for the signal:", found)


def test_the_allow_list_of_sleepers_is_short() -> None:
    """An exception that nobody needs is an invitation."""
    found = [name for name in SLEEPERS if not sleeps(ROOT / name)]
    assert not found, report("These no longer sleep; drop them from SLEEPERS:", found)


def test_each_test_tells_its_fact() -> None:
    """A test is one fact, told in its docstring: what is true, not which function is called."""
    found = [
        f"{located(path, node)}: {node.name}"
        for path in python_files(TESTS)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]
    assert not found, report("Say what is true when this test passes:", found)


def test_nothing_is_made_from_data_by_running_it() -> None:
    """A row in a store is data from elsewhere; whoever can write it must not choose what runs."""
    found: list[str] = []
    for path in python_files(SRC):
        for node in ast.walk(parsed(path)):
            match node:
                case ast.Import(names=names):
                    modules = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module)):
                    modules = [module]
                case ast.Call(func=ast.Name(id=name)) if name in UNSAFE_CALLS:
                    found.append(f"{located(path, node)}: {name}()")
                    continue
                case _:
                    continue
            found += [
                f"{located(path, node)}: import {module}"
                for module in modules
                if module.partition(".")[0] in UNSAFE_MODULES
            ]
    assert not found, report("Use sagacity.core.values and the codec:", found)


def test_the_public_names_are_one_sorted_list() -> None:
    """What users may rely on is stated once; a name that slips out becomes a promise."""
    assert hasattr(sagacity, "__all__"), "src/sagacity/__init__.py has no __all__"
    assert list(sagacity.__all__) == sorted(set(sagacity.__all__))
    visible = {
        name
        for name, value in vars(sagacity).items()
        # Submodules appear as attributes once anything imports them; they are not re-exports.
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    stated = {name for name in sagacity.__all__ if not name.startswith("__")}
    assert visible == stated


@pytest.mark.parametrize("name", getattr(sagacity, "__all__", []))
def test_each_public_name_says_what_it_is(name: str) -> None:
    """`help(name)` is the first manual anyone opens."""
    value = getattr(sagacity, name)
    if not isinstance(value, type) and not inspect.isroutine(value):
        pytest.skip("a constant or an alias: Python keeps no docstring for it")
    # Its own, not its parent's; and not the signature that dataclasses and named tuples put there.
    doc = value.__dict__.get("__doc__") if isinstance(value, type) else value.__doc__
    assert doc, f"sagacity.{name} has no docstring"
    assert not doc.startswith(f"{name}("), f"sagacity.{name} has only a generated docstring"
