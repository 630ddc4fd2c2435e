"""Steno's demo in the provisioning example: the real Steno's texts, from its vectors."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from examples.provision.commands import main
from tests.steno.vectors import Case, given, needs_vectors, read, runs

# What a stuck saga has done depends on the order among siblings if one of these is stuck.
PARALLEL = {"instance_ip", "volume_id", "server_id", "server_reserve", "server_alloc"}


def steno(*arguments: str, stdin: str | None = None) -> str:
    """Run a command of the demo and return what it printed."""
    result = CliRunner().invoke(main, ["steno", *arguments], input=stdin)
    assert result.exit_code == 0, result.output
    return result.output


def strikes(case: Case) -> list[str]:
    """Return the options that inject what the real Steno was injected."""
    inject = case["inject"]
    return [
        *[f"--inject-error={name}" for _, name in inject["error"]],
        *[f"--inject-undo-error={name}" for _, name in inject["undo_error"]],
    ]


def ended_one_way() -> dict[str, Case]:
    """Return the runs whose end does not depend on the order among siblings."""
    return {
        case["case"]: case
        for case in runs("provision", "ok", "failed", "stuck")
        if not any(name in PARALLEL for _, name in case["inject"]["undo_error"])
    }


def told(result: Any) -> str:
    """Return the last lines of a run with this result."""
    if "ok" in result:
        return f"result: SUCCESS\nfinal output: {json.dumps(result['ok']['saga_output'])}\n"
    error = result["err"]
    lines = [
        "result: ACTION FAILURE",
        f'failed at node:    "{error["error_node_name"]}"',
        f"failed with error: {error['error_source_text']}",
    ]
    if error["undo_failure"]:
        lines += [
            "FOLLOWED BY UNDO ACTION FAILURE",
            f'failed at node:    "{error["undo_failure"]["node_name"]}"',
            f"failed with error: {error['undo_failure']['text']}",
        ]
    return "\n".join([*lines, ""])


@needs_vectors
def test_dot_is_stenos() -> None:
    """The graph, to the letter."""
    assert steno("dot") == read("dags/provision.json")["dot"] + "\n"


@needs_vectors
def test_info_is_stenos() -> None:
    """The graph, and each node's status before the start."""
    dag = read("dags/provision.json")

    assert steno("info") == (
        f"*** saga dag definition ***\nsaga graph: \n{dag['dot']}\n"
        f"*** initial state ***\n{dag['initial_status']}\n"
    )


@pytest.mark.parametrize("name", given(ended_one_way))
def test_a_run_ends_as_stenos_and_says_so_in_its_words(name: str) -> None:
    """Each injection: the status of each node, the result, and the dump's own log."""
    case = ended_one_way()[name]
    expected = read(case["run_file"])

    printed = steno("run", *strikes(case))
    dumped = steno("run", *strikes(case), "--quiet", "--dump-to=-")

    _, _, ending = printed.partition("*** running saga ***\n")
    assert ending == (
        "*** finished saga ***\n\n*** final state ***\n"
        f"{expected['status']}\n{told(expected['result'])}"
    )
    found, wanted = json.loads(dumped), expected["serialized"]
    assert found["dag"] == wanted["dag"]
    assert sorted(map(json.dumps, found["events"])) == sorted(map(json.dumps, wanted["events"]))


@pytest.mark.parametrize("kept", [0, 1, 9, 20, 28])
def test_a_dumped_saga_goes_on(tmp_path: Path, kept: int) -> None:
    """Cut off anywhere, dumped and recovered, it ends as if nothing had been."""
    path = tmp_path / "saga.json"
    steno("run", f"--dump-to={path}")
    dumped = json.loads(path.read_text())
    dumped["events"] = dumped["events"][:kept]

    printed = steno("run", "--recover-from=-", stdin=json.dumps(dumped))

    assert printed.startswith("recovering from log: -\nrecovered state\n+ saga execution: ")
    assert printed.endswith('result: SUCCESS\nfinal output: "it worked"\n')


def test_a_dumped_log_can_be_read(tmp_path: Path) -> None:
    """Also one of which this build has no action."""
    path = tmp_path / "saga.json"
    steno("run", f"--dump-to={path}")
    path.write_text(path.read_text().replace("vpc_alloc_ip", "of_another_program"))

    printed = steno("print-log", str(path))

    assert printed.startswith("SAGA LOG:\nsaga id:   049b2522-")
    assert "direction: forward\nevents (28 total):\n" in printed
    assert printed.endswith("028 N013 succeeded\n\n")


def test_what_is_not_stenos_is_refused_in_a_sentence() -> None:
    """Neither a traceback nor a guess."""
    result = CliRunner().invoke(main, ["steno", "print-log", "-"], input='{"saga_id": 1}')

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
