"""What the package does not use at all, and where it starts processes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.workbench import ROOT

PACKAGE = ROOT / "daemon" / "bqsync"
BANNED_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "marshal.load", "marshal.loads"}
BANNED_MODULES = {"pickle", "shelve", "dill", "yaml", "xml", "ftplib", "telnetlib", "urllib.request"}
STARTS_PROCESSES = {"cli/following.py", "demo/run.py", "embedded/process.py", "encode/compiler.py",
                    "install/system.py"}
"""The first for journalctl and systemctl alone, which read."""
CONNECTS = {"socket.socket", "socket.create_connection", "http.client.HTTPConnection", "http.client.HTTPSConnection"}
OPENS_CONNECTIONS = {"embedded/endpoint.py", "engine/systemd.py", "observe/control.py", "observe/http_server.py"}
"""By themselves, without Google's clients: to a BigQuery of this machine, and to the service manager. Two listen."""


CALLS_COMPILED_CODE = {"native/cells.py", "native/library.py", "native/reader.py"}
"""Of ours, which the package holds; a library that somebody else may name is never loaded."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in PACKAGE.rglob("*.py"):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_no_text_becomes_code_and_no_command_goes_through_a_shell() -> None:
    for name, tree in trees():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert {ast.unparse(call.func) for call in calls} & BANNED_CALLS == set(), name
        assert not [word for call in calls for word in call.keywords if word.arg == "shell"], name


def test_modules_that_run_what_they_read_are_not_imported() -> None:
    for name, tree in trees():
        modules = imported(tree)
        assert {module for module in modules for banned in BANNED_MODULES
                if module == banned or module.startswith(f"{banned}.")} == set(), name


def test_processes_and_connections_are_made_in_their_places_alone() -> None:
    modules = {name: imported(tree) for name, tree in trees()}
    assert {name for name, names in modules.items() if "subprocess" in names} == STARTS_PROCESSES
    assert {name for name, tree in trees() if CONNECTS & {ast.unparse(node.func) for node in ast.walk(tree)
                                                          if isinstance(node, ast.Call)}} == OPENS_CONNECTIONS


def test_compiled_code_is_called_in_its_place_alone() -> None:
    assert {name for name, tree in trees() if "ctypes" in imported(tree)} == CALLS_COMPILED_CODE


def test_exceptions_from_the_rules_of_security_are_few_and_give_a_reason() -> None:
    lines = [line for path in PACKAGE.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()
             if "noqa: S" in line and "SLF" not in line]
    assert len(lines) <= 4
    assert all(line.partition("noqa: S")[2][3:].strip(" -()") for line in lines)


def test_the_path_of_no_module_depends_on_the_working_folder() -> None:
    """A process that is started as `python -m` has its working folder on the path, but for -P."""
    for name in STARTS_PROCESSES:
        text = Path(PACKAGE / name).read_text(encoding="utf-8")
        assert text.count("sys.executable") == text.count('sys.executable, "-P"'), name
