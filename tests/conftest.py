"""What all tests share: where real recordings are, and how many tests read them."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A machine under load, or the first call of a kernel, is no failure.
settings.register_profile("poise", deadline=None)
settings.load_profile("poise")

ROOT = Path(__file__).parents[1]


def data_folder() -> Path | None:
    """POISE_DATA, or the folder beside the checkout; None when there is none."""
    named = os.environ.get("POISE_DATA")
    if named:
        return Path(named)
    beside = ROOT.parent / "shared" / "data"
    return beside if beside.is_dir() else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings; skips where there is none."""
    folder = data_folder()
    if folder is None:
        pytest.skip("no real data: set POISE_DATA to the folder of recordings")
    if not folder.is_dir():
        pytest.fail(f"POISE_DATA names {folder}, which is no folder")
    return folder


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave campaigns to `make campaign`; keep folders together in the random order.

    The desks that `api` and `browser` start would else run, and starve, beside other tests.
    """
    folders: dict[Path, int] = {}
    items.sort(key=lambda item: folders.setdefault(item.path.parent, len(folders)))
    if "campaign" in (config.option.markexpr or ""):
        return
    kept = [item for item in items if item.get_closest_marker("campaign") is None]
    dropped = [item for item in items if item.get_closest_marker("campaign") is not None]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


class _RealDataCount:
    def __init__(self) -> None:
        self.passed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed and "real_data" in report.keywords:
            self.passed += 1


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_RealDataCount(), "real-data-count")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    count = terminalreporter.config.pluginmanager.get_plugin("real-data-count").passed
    folder = data_folder()
    where = "read from POISE_DATA" if folder else "none: POISE_DATA is not set"
    terminalreporter.write_line(f"tests on real data: {count} ({where})")
