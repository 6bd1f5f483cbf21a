"""A package from npm that the page is checked with, in a fixed version, in a folder of the build."""

import os
import shutil
import subprocess

BUILD = os.environ.get("top_builddir", ".")


def get(name, version, path):
    """The text of a file of the package, or None and why it cannot be had. Only the long tests fetch anything."""
    folder = os.path.abspath(os.path.join(BUILD, "tests", "web", f"npm-{name}-{version}"))
    done = os.path.join(folder, ".complete")
    if not os.path.exists(done):
        if not os.environ.get("DCG_LONG"):
            return None, f"{name} {version} is fetched by the long tests only (DCG_LONG)"
        if not shutil.which("npm"):
            return None, "no npm (Debian: npm)"
        os.makedirs(folder, exist_ok=True)
        npm = subprocess.run(["npm", "install", "--prefix", folder, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund",
                              "--loglevel", "error", "--fetch-retries", "1", "--fetch-timeout", "20000", f"{name}@{version}"],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if npm.returncode:
            why = (npm.stderr.strip() or f"status {npm.returncode}").splitlines()[0]
            return None, f"npm cannot install {name}: {why}"
        with open(done, "w"):
            pass
    with open(os.path.join(folder, "node_modules", name, path), encoding="utf-8") as f:
        return f.read(), None
