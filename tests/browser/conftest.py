"""A whole running desk and a real browser, shared by the browser tests."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/login\?token=\S+")
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Loaded machines paint late; nothing here measures time.
expect.set_options(timeout=30_000)


@dataclass
class RunningDesk:
    """`poise demo` as a user starts it."""

    process: subprocess.Popen[str]
    address: str
    data: Path

    @property
    def base(self) -> str:
        return self.address.partition("/login")[0]


@pytest.fixture(scope="module")
def chromium() -> str:
    found = next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)
    if found is None:
        message = "the browser tests need Chromium: install the package chromium (apt, brew, dnf)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    data = tmp_path_factory.mktemp("demo")
    command = [str(Path(sys.executable).with_name("poise")), "demo", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "--data-dir", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        seen, address = [], None
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and (line := process.stdout.readline()):
            seen.append(line)
            if (match := ADDRESS.search(line)) is not None:
                address = match[0]
                break
        try:
            assert address is not None, "".join(seen)
            yield RunningDesk(process, address, data)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def session_state(browser: Browser, desk: RunningDesk) -> dict[str, object]:
    """Cookies of the one login that the one-time address allows."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(desk.address)
    page.wait_for_url("**/market**")
    state = context.storage_state()
    context.close()
    return state  # type: ignore[return-value]


@pytest.fixture
def page(browser: Browser, desk: RunningDesk, session_state: dict[str, object]) -> Iterator[Page]:
    """A page with a session; console errors and requests to other hosts fail the test."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        storage_state=session_state,  # type: ignore[arg-type]
    )
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    troubles: list[str] = []
    opened.on(
        "console",
        lambda message: troubles.append(message.text) if message.type == "error" else None,
    )
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on(
        "request",
        lambda request: (
            troubles.append(f"asked another host: {request.url}")
            if not request.url.startswith(
                (desk.base, "data:", "blob:", desk.base.replace("http", "ws"))
            )
            else None
        ),
    )
    yield opened
    context.close()
    assert not troubles
