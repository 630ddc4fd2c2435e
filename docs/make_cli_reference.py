"""Writes what in `docs/cli.md` follows from the code: commands, options, documents, error kinds.

    python docs/make_cli_reference.py

A test fails when the page is out of date.
"""

from __future__ import annotations

import dataclasses
import re
import types
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import click

from sagacity.cli import json_documents, why_documents
from sagacity.cli.app import COMMANDS, cli
from sagacity.cli.error_kinds import ERROR_KINDS

PAGE = Path(__file__).with_name("cli.md")
DOCUMENTS = [
    value
    for module in (json_documents, why_documents)
    for value in vars(module).values()
    if isinstance(value, type) and value.__module__ == module.__name__
]
TYPES = {
    str: "string",
    int: "integer",
    bool: "boolean",
    types.NoneType: "null",
    Any: "any JSON",
}


def page() -> str:
    """Return the page with its made parts made anew."""
    text = PAGE.read_text(encoding="utf-8")
    for name, part in (
        ("commands", commands()),
        ("documents", documents()),
        ("error kinds", error_kinds()),
    ):
        text, count = re.subn(
            rf"(<!-- {name}: made by make_cli_reference.py -->\n).*?(<!-- end -->)",
            lambda match, part=part: f"{match[1]}{part}{match[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
        assert count == 1, f"the page has no place for {name}"
    return text


def commands() -> str:
    """Return a section for each command: its help and its options."""
    context = click.Context(cli, info_name="sagacity")
    parts: list[str] = []
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=f"sagacity {name}")
        usage = " ".join(command.collect_usage_pieces(inner))
        parts.append(f"\n### {name}\n\n```text\nsagacity {name} {usage}\n```\n\n")
        parts.append(f"{_paragraphs(command)}\n")
        options = [each for each in command.params if isinstance(each, click.Option)]
        rows = [_option(each, inner) for each in options if not each.hidden]
        parts.append("\n| option | |\n|---|---|\n" + "".join(rows))
    return "".join([*parts, "\n"])


def _paragraphs(command: click.Command) -> str:
    return "\n\n".join(
        " ".join(paragraph.split()) for paragraph in (command.help or "").strip().split("\n\n")
    )


def _option(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None, option
    names, told = record
    return f"| `{names.replace('|', chr(92) + '|')}` | {' '.join(told.split())} |\n"


def documents() -> str:
    """Return a table for each kind of JSON document."""
    parts: list[str] = []
    for kind in DOCUMENTS:
        hints = get_type_hints(kind, include_extras=True)
        parts.append(f"\n### {_name(kind)} document\n\n{kind.__doc__}\n")
        parts.append("\n| field | type | meaning |\n|---|---|---|\n")
        parts += [
            f"| `{name}` | {_type(hint)} | {_meaning(hint)} |\n" for name, hint in hints.items()
        ]
    return "".join([*parts, "\n"])


def error_kinds() -> str:
    """Return the table of the words for errors."""
    rows = [f"| `{word}` | {meaning} |\n" for word, meaning in ERROR_KINDS.values()]
    return "".join(["\n| kind | meaning |\n|---|---|\n", *rows, "\n"])


def _name(kind: type) -> str:
    return kind.__name__.removesuffix("Document")


def _meaning(hint: Any) -> str:
    assert get_origin(hint) is Annotated, hint
    return str(get_args(hint)[1])


def _type(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) is types.UnionType:
        return " or ".join(_type(each) for each in get_args(hint))
    if get_origin(hint) is list:
        return f"array of {_type(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return f"object of {_type(get_args(hint)[1])}"
    if dataclasses.is_dataclass(hint):
        name = _name(hint)  # type: ignore[arg-type]
        return f"[{name}](#{name.lower()}-document)"
    return TYPES[hint]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
