"""The plan of the house: wings import one way, and meet at their faces."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "microbadger"
WINGS = (
    *("logs", "image", "store", "http", "registry", "badges", "webhooks"),
    *("site", "notifications", "cdn", "freshness", "web"),
)
AT_THE_ROOT = {
    *("__init__", "settings", "cli", "cli_notifications", "cli_revive", "cli_tools"),
    *("gunicorn_log", "gunicorn_worker"),
}
PURE = ("image", "badges", "webhooks")
IMPURE = {"requests", "urllib3", "flask", "apscheduler", "sqlalchemy", "os", "pathlib", "time", "socket", "threading"}


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_imports_only_from_wings_before_it(wing: str) -> None:
    later = {*WINGS[WINGS.index(wing) + 1 :], *(AT_THE_ROOT - {"__init__"})}

    assert {(file, module) for file, module, _ in imports_in(wing) if module.split(".")[1] in later} == set()


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_uses_only_the_faces_of_others(wing: str) -> None:
    behind = {
        (file, module)
        for file, module, _ in imports_in(wing)
        if module.split(".")[1] != wing and module.count(".") > 1
    }

    assert behind == set()


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_takes_only_what_a_face_shows(wing: str) -> None:
    hidden = {
        (module, name)
        for _, module, name in imports_in(wing)
        if module.split(".")[1] in WINGS and module.split(".")[1] != wing and name not in shown_by(module.split(".")[1])
    }

    assert hidden == set()


@pytest.mark.parametrize("wing", PURE)
def test_a_pure_wing_has_no_input_or_output(wing: str) -> None:
    used = {name.partition(".")[0] for file in files_of(wing) for name, _ in imported(ast.parse(file.read_text()))}

    assert used & IMPURE == set()


def test_there_are_only_wings_and_what_holds_them_together() -> None:
    modules = {file.stem for file in PACKAGE.glob("*.py")}
    folders = {folder.name for folder in PACKAGE.iterdir() if folder.is_dir() and folder.name != "__pycache__"}

    assert (modules, folders) == (AT_THE_ROOT, {*WINGS})


@pytest.mark.parametrize("wing", WINGS)
def test_the_tests_mirror_the_wing(wing: str) -> None:
    assert [*Path(__file__).parent.joinpath(wing).glob("test_*.py")]


def files_of(wing: str) -> list[Path]:
    return sorted(PACKAGE.joinpath(wing).glob("*.py"))


def imports_in(wing: str) -> Iterator[tuple[str, str, str]]:
    """Yield the file, the module of ours that it imports from, and the name that it imports."""
    for file in files_of(wing):
        for module, name in imported(ast.parse(file.read_text())):
            if module == "microbadger" and name in WINGS:
                yield file.name, f"microbadger.{name}", ""
            elif module.startswith("microbadger."):
                yield file.name, module, name


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def shown_by(wing: str) -> set[str]:
    face = ast.parse(PACKAGE.joinpath(wing, "__init__.py").read_text())
    listed = next(
        node.value
        for node in face.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"
    )
    return {*ast.literal_eval(listed), ""}
