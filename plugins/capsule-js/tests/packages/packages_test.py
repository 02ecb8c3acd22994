"""Well-known npm packages, bundled and run in a sandbox, against what Node makes of the same program.

Needs the registry and a minute, so it runs only when asked: ``CAPSULE_PACKAGES=1``. With
``CAPSULE_PACKAGES=write`` the results are also written to docs/npm-packages.md.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

import platformdirs
import pytest
from capsule_js.bundle import make_bundle
from capsule_js.engines import KINDS
from capsule_js.frametable import frame_table

HERE = Path(__file__).parent
WANTED = os.environ.get("CAPSULE_PACKAGES", "")
TABLE = tomllib.loads((HERE / "packages.toml").read_text("utf-8"))["package"]

FAILS: dict[str, str] = {}
"""Packages whose program is known not to give what Node gives, and why."""

pytestmark = pytest.mark.skipif(not WANTED, reason="set CAPSULE_PACKAGES=1")
results = {}


@pytest.fixture(scope="session")
def installed():
    """A folder with all packages of the table, installed once for each state of it."""
    versions = {package["name"]: package["version"] for package in TABLE}
    text = json.dumps({"name": "packages", "private": True, "dependencies": versions})
    folder = (
        Path(platformdirs.user_cache_dir("capsule"))
        / "js-tests"
        / hashlib.sha256(text.encode()).hexdigest()[:16]
    )
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        (made / "package.json").write_text(text)
        subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=made, check=True
        )
        made.rename(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def table():
    yield
    if WANTED == "write":
        write_results()


def write_results():
    lines = [
        "# npm packages in the sandbox",
        "",
        "Written by `CAPSULE_PACKAGES=write pytest plugins/capsule-js/tests/packages`; the programs are in",
        "`packages.toml` there. *ok* means that the program gives in a sandbox what it gives in Node.",
        "",
        "| package | version | result | bundle KB | load ms | load fuel, millions |",
        "|---|---|---|---|---|---|",
    ]
    for package in TABLE:
        name = package["name"]
        state, size, milliseconds, fuel = results.get(name, ("not run", 0, 0.0, 0))
        numbers = f"{size / 1000:.0f} | {milliseconds:.0f} | {fuel / 1e6:.0f}"
        lines.append(f"| {name} | {package['version']} | {state} | {numbers} |")
    (HERE.parents[3] / "docs" / "npm-packages.md").write_text("\n".join(lines) + "\n", "utf-8")


@pytest.mark.parametrize("package", TABLE, ids=[package["name"] for package in TABLE])
def test_package(call, toolchain, esbuild, installed, server, tmp_path, package):
    program = Path(tempfile.mkdtemp(dir=installed))
    try:
        check(call, toolchain.modules(print), esbuild, program, server, tmp_path, package)
    finally:
        shutil.rmtree(program)


def check(call, modules, esbuild, program, server, tmp_path, package):
    name = package["name"]
    function = f"async function run(server: string) {{\n{package['run']}\n}}\n"
    (program / "main.ts").write_text(
        'import { task } from "@capsule-run/sdk";\n'
        + package["import"]
        + function
        + 'task({ name: "main" }, run);\n'
    )
    (program / "node.ts").write_text(
        package["import"]
        + function
        + "process.stdout.write(JSON.stringify(await run(process.argv[2])) ?? 'null');\n"
    )
    script = HERE / "bundle_for_node.mjs"
    subprocess.run(["node", script, modules, program / "node.ts", program / "node.mjs"], check=True)
    (tmp_path / "node").mkdir()
    environment = {**os.environ, "FOLDER": str(tmp_path / "node"), "TZ": "UTC", "NODE_ENV": "production"}
    command = ["node", program / "node.mjs", server]
    node = subprocess.run(command, capture_output=True, env=environment, check=True, timeout=60)
    results[name] = ("can not be bundled", 0, 0.0, 0)
    unsupported = KINDS[call.engine].unsupported
    made = make_bundle(program / "main.ts", program.parent, esbuild, unsupported=unsupported)
    entries = {"bundle": made.text, "frames": frame_table(made.source_map, made.shifts)}
    (tmp_path / "sandbox").mkdir()
    files = [(tmp_path / "sandbox", "/sandbox", True)]
    done = call(entries, "main", server, files=files, env={"FOLDER": "/sandbox"}, fuel=50_000_000_000)
    same = done.answer is not None and done.answer.get("result", done) == json.loads(node.stdout)
    state = "ok" if same else FAILS.get(name, "fails")
    results[name] = (state, len(entries["bundle"]), done.load_seconds * 1000, done.load_fuel)
    if name in FAILS:
        assert not same, f"{name} works now: take it off the list"
    else:
        assert done.result == json.loads(node.stdout)
