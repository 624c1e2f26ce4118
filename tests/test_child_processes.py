"""Servers that tests start end with them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.child_processes import children_of
from tests.real_registry import wait_until

ROOT = Path(__file__).parents[1]
DEADLINE_SECONDS = 60.0
PROGRAM = """
import pathlib, sys
from tests.{module} import {run}
with {run}({folder}) as server:
    print(vars(server).get("folder", sys.argv[1]), flush=True)
    sys.stdin.read()
"""


@pytest.mark.usefixtures("postgresql_server")  # which skips where it is not installed
@pytest.mark.parametrize(
    ("module", "run", "folder"),
    [("postgresql", "running_postgresql", ""), ("object_stores", "running_moto", "pathlib.Path(sys.argv[1])")],
)
def test_a_server_ends_with_tests_that_are_killed(
    tmp_path: Path, module: str, run: str, folder: str
) -> None:
    program = PROGRAM.format(module=module, run=run, folder=folder)
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tests:
        assert tests.stdout
        folder_in_use = Path(tests.stdout.readline().decode().strip())
        servers = children_of(tests.pid)
        servers += [child for server in servers for child in children_of(server)]
        tests.kill()
    assert servers
    wait_until(lambda: not any(map(is_running, servers)), "the end of the server", DEADLINE_SECONDS)
    shutil.rmtree(folder_in_use)


def is_running(process: int) -> bool:
    """Return whether there is a process that is not a zombie."""
    command = Path(f"/proc/{process}/cmdline")
    return command.exists() and bool(command.read_bytes())
