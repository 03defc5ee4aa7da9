"""The shape of the house, checked: contracts of `.importlinter`, the pure core's allow-list, sizes.

Each contract is proven by a planted violation, or it would be a wish.
"""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "poise"
CORE_ROOMS = (
    "core",
    "analytics",
    "venues",
    "market",
    "signals",
    "predict",
    "ledger",
    "strategies",
    "otc",
    "risk",
    "execution",
    "exchange",
    "engine",
)
ALLOWED = {
    "poise", "msgspec", "numpy", "numba", "scipy", "dataclasses", "enum", "typing", "math",
    "decimal", "fractions", "bisect", "heapq", "collections", "itertools", "functools", "struct",
    "hashlib", "hmac", "zlib", "datetime",
}  # fmt: skip
ALLOWED_INSIDE_FUNCTIONS = {"analytics": {"statsmodels", "pandas", "polars"}}
ALLOWED_IN = {"venues": {"cryptography"}}
LONGEST_FILE = 400
LONGEST_FUNCTION = 70


def modules(*rooms: str) -> list[Path]:
    return [
        path for room in rooms if (SOURCE / room).is_dir() for path in (SOURCE / room).rglob("*.py")
    ]


def imports(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """(top-level package, whether inside a function) of every import."""

    def visit(node: ast.AST, inside: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name.split(".")[0], inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                yield (child.module or "poise").split(".")[0], inside
            yield from visit(child, inside or isinstance(child, ast.FunctionDef))

    return visit(tree, inside=False)


def foreign_imports(path: Path, room: str) -> set[str]:
    found = set()
    for name, inside in imports(ast.parse(path.read_text())):
        allowed = ALLOWED | ALLOWED_IN.get(room, set())
        if inside:
            allowed = allowed | ALLOWED_INSIDE_FUNCTIONS.get(room, set())
        if name not in allowed:
            found.add(name)
    return found


@pytest.mark.parametrize("room", CORE_ROOMS)
def test_pure_core_imports_only_what_it_may(room: str) -> None:
    for path in modules(room):
        assert not foreign_imports(path, room), path


@pytest.mark.parametrize("line", ["import time", "from asyncio import sleep", "import random"])
def test_allow_list_sees_a_planted_import(tmp_path: Path, line: str) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(f"def f() -> None:\n    {line}\n")
    assert foreign_imports(planted, "market")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(tool), "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def house(tmp_path: Path) -> Path:
    shutil.copytree(
        SOURCE, tmp_path / "poise", ignore=shutil.ignore_patterns("static", "__pycache__")
    )
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("planted_in", "line", "broken"),
    [
        ("core/planted.py", "import poise.market.book", "Dependencies point one way"),
        ("market/planted.py", "import poise.venues.binance.usdm", "Dependencies point one way"),
        ("loopback/planted.py", "import poise.venues.binance.parse", "second writing"),
        ("net/planted.py", "import poise.store.disk", "Dependencies point one way"),
        ("newroom/__init__.py", "x = 1", "Dependencies point one way"),
        ("venues/other/__init__.py", "import poise.venues.binance.usdm", "Venue families"),
    ],
)
def test_each_contract_sees_a_planted_violation(
    house: Path, planted_in: str, line: str, broken: str
) -> None:
    path = house / "poise" / planted_in
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'"""Planted."""\n{line}\n')
    done = lint_imports(house)
    assert done.returncode != 0
    report = done.stdout + done.stderr
    assert "BROKEN" in report or "newroom" in report
    assert broken in report or "newroom" in report


def test_cycle_contract_sees_a_planted_cycle(house: Path) -> None:
    first, second = house / "poise/market/cycle_a.py", house / "poise/market/cycle_b.py"
    first.write_text('"""Planted."""\nimport poise.market.cycle_b\n')
    second.write_text('"""Planted."""\nimport poise.market.cycle_a\n')
    done = lint_imports(house)
    assert done.returncode != 0
    assert "No cycles BROKEN" in done.stdout


def long_functions(tree: ast.AST) -> list[tuple[str, int]]:
    """Functions whose code, docstring aside, is longer than allowed."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                length = (body[-1].end_lineno or 0) - body[0].lineno + 1
                if length > LONGEST_FUNCTION:
                    found.append((node.name, length))
    return found


def test_files_and_functions_stay_small() -> None:
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= LONGEST_FILE, path
        assert not long_functions(ast.parse(text)), path


def test_no_junk_drawers() -> None:
    names = {path.name for path in SOURCE.rglob("*") if path.is_dir()}
    names |= {path.stem for path in SOURCE.rglob("*.py")}
    assert not names & {"utils", "util", "common", "helpers", "helper", "misc"}
