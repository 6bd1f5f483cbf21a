"""Tools from PyPI that tests check us with, in fixed versions, in a folder of the build."""

import importlib
import os
import subprocess
import sys

BUILD = os.environ.get("top_builddir", ".")


def get(module, *requirements):
    """The module, or None and why it cannot be had. Only the long tests fetch anything."""
    folder = os.path.abspath(os.path.join(BUILD, "tests", "api", "pypi-" + requirements[0].replace("==", "-")))
    done = os.path.join(folder, ".complete")
    if not os.path.exists(done):
        if not os.environ.get("DCG_LONG"):
            return None, f"{requirements[0]} is fetched by the long tests only (DCG_LONG)"
        pip = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1",
                              "--timeout", "20", "--only-binary", ":all:", "--target", folder, *requirements],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if pip.returncode:
            why = (pip.stderr.strip() or f"status {pip.returncode}").splitlines()[-1]
            return None, f"pip cannot install {requirements[0]}: {why}"
        with open(done, "w"):
            pass
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(module), folder
