"""The built dashboard is complete, small, and asks nothing of other hosts."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "src" / "poise" / "api" / "static"
HOST = re.compile(r"""url\(\s*["']?https?:|(?:src|href)=["']https?:|@import\s+["']https?:""")


def build_script():
    path = ROOT / "scripts" / "build_dashboard.py"
    spec = importlib.util.spec_from_file_location("build_dashboard", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


built = pytest.mark.skipif(
    not (STATIC / "index.html").exists(), reason="run scripts/build_dashboard.py first"
)


@built
def test_first_route_is_within_its_budget():
    node, _ = build_script().node_and_npm()
    done = subprocess.run(
        [node, "scripts/size.mjs", "--json"],
        cwd=ROOT / "ui",
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    assert answer["budget_kib"] == 200
    assert 0 < answer["first_route_kib"] <= 200, answer["files"]


@built
def test_page_and_styles_load_from_this_host_only():
    texts = [STATIC / "index.html", *STATIC.glob("assets/*.css")]
    assert len(texts) > 1
    for path in texts:
        assert not HOST.search(path.read_text()), path.name


@built
def test_every_asset_that_the_page_names_is_there():
    named = re.findall(r'(?:src|href)="/([^"]+)"', (STATIC / "index.html").read_text())
    assert named
    for name in named:
        assert (STATIC / name).is_file(), name


def test_lock_file_names_no_registry():
    lock = json.loads((ROOT / "ui" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all("resolved" not in entry for entry in packages.values())
    assert all("integrity" in entry for entry in packages.values())


def test_lock_file_serves_every_platform():
    """Written over an existing node_modules, npm keeps only the binaries of that machine."""
    lock = json.loads((ROOT / "ui" / "package-lock.json").read_text())
    for name, entry in lock["packages"].items():
        for wanted in entry.get("optionalDependencies", {}):
            places = (f"{name}/node_modules/{wanted}", f"node_modules/{wanted}")
            assert any(place in lock["packages"] for place in places), f"{wanted} of {name}"


def test_build_is_skipped_when_asked_or_current(tmp_path, monkeypatch):
    script = build_script()
    (tmp_path / "ui" / "node_modules").mkdir(parents=True)
    (tmp_path / "ui" / "main.ts").write_text("one")
    static = tmp_path / "src" / "poise" / "api" / "static"
    static.mkdir(parents=True)
    digest = script.source_digest(tmp_path / "ui")
    (static / script.STAMP).write_text(digest)
    monkeypatch.delenv("SKIP_UI", raising=False)
    assert script.build(tmp_path) == "dashboard is current"

    (tmp_path / "ui" / "node_modules" / "left.js").write_text("not a source")
    (tmp_path / "ui" / "main.test.ts").write_text("not a source either")
    assert script.source_digest(tmp_path / "ui") == digest
    (tmp_path / "ui" / "main.ts").write_text("two")
    assert script.source_digest(tmp_path / "ui") != digest

    monkeypatch.setenv("SKIP_UI", "1")
    assert "SKIP_UI" in script.build(tmp_path)
