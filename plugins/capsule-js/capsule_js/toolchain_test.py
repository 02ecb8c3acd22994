from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from capsule.errors import BuildError
from capsule.project.user_cache import CACHE_VARIABLE
from capsule_js.engine import GUEST
from capsule_js.node import VARIABLE
from capsule_js.toolchain import (
    TYPESCRIPT,
    ManagedToolchain,
    esbuild_package,
    esbuild_version,
    packages_folder,
    toolchain_folder,
)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_bundler_is_the_locked_version(managed: ManagedToolchain) -> None:
    esbuild = managed.esbuild(print)
    says = subprocess.run([esbuild.program, "--version"], capture_output=True, text=True, check=True)
    assert says.stdout.strip() == esbuild.version == esbuild_version()


def test_tools_lie_in_a_folder_that_is_closed_to_others(managed: ManagedToolchain) -> None:
    managed.esbuild(print)
    assert toolchain_folder().stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("locked", [GUEST, TYPESCRIPT])
def test_every_package_is_locked_with_a_digest_and_without_an_address(locked: Path) -> None:
    lock = json.loads((locked / "package-lock.json").read_text())
    package = json.loads((locked / "package.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert all("resolved" not in entry for entry in packages.values())
    for name, version in package["dependencies"].items():
        assert packages[f"node_modules/{name}"]["version"] == version, "versions are exact"


def test_the_lock_file_has_a_bundler_for_this_machine() -> None:
    lock = json.loads((GUEST / "package-lock.json").read_text())
    assert f"node_modules/{esbuild_package()}" in lock["packages"]


def test_another_lock_file_is_another_folder(tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").write_text("{}")
    first = packages_folder(tmp_path)
    (tmp_path / "package-lock.json").write_text("{ }")
    assert packages_folder(tmp_path) != first


def test_without_a_registry_the_error_names_the_packages_and_a_mirror(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    said: list[str] = []
    with pytest.raises(BuildError) as caught:
        ManagedToolchain().typescript(said.append)
    assert "typescript 7" in caught.value.message
    assert "npm config set registry" in (caught.value.hint or "")
    assert any(line.startswith("installing ") and "typescript 7" in line for line in said)
    assert not packages_folder(TYPESCRIPT).exists()


class Registry(ThreadingHTTPServer):
    """A package registry with one package, whose scripts say that they ran."""

    def __init__(self, ran: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        script = f"touch {ran}"
        self.package = {
            "name": "evil",
            "version": "1.0.0",
            "scripts": {"install": script, "postinstall": script},
        }
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, content in (("package.json", json.dumps(self.package)), ("index.js", "")):
                entry = tarfile.TarInfo(f"package/{name}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content.encode()))
        self.archive = buffer.getvalue()
        self.address = f"http://127.0.0.1:{self.server_port}/"

    def integrity(self) -> str:
        return "sha512-" + base64.b64encode(hashlib.sha512(self.archive).digest()).decode()


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        registry = self.server
        assert isinstance(registry, Registry)
        body = registry.archive
        if not self.path.endswith(".tgz"):
            dist = {"tarball": f"{registry.address}evil/-/evil-1.0.0.tgz"}
            versions = {"1.0.0": {**registry.package, "dist": dist}}
            body = json.dumps(
                {"name": "evil", "dist-tags": {"latest": "1.0.0"}, "versions": versions}
            ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with Registry(tmp_path / "ran") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("npm_config_registry", server.address)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        yield server
        server.shutdown()


def locked_folder(folder: Path, integrity: str) -> Path:
    folder.mkdir()
    package = {"name": "l", "dependencies": {"evil": "1.0.0"}}
    entry = {"version": "1.0.0", "integrity": integrity, "hasInstallScript": True}
    lock = {"name": "l", "lockfileVersion": 3, "packages": {"": package, "node_modules/evil": entry}}
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "package-lock.json").write_text(json.dumps(lock))
    return folder


def test_packages_come_from_the_users_registry_and_no_script_of_theirs_runs(
    empty_cache: Path, tmp_path: Path, registry: Registry
) -> None:
    locked = locked_folder(tmp_path / "locked", registry.integrity())
    modules = ManagedToolchain()._packages(locked, print)
    assert (modules / "evil" / "index.js").is_file()
    assert not (tmp_path / "ran").exists()


def test_a_package_with_another_digest_is_refused(
    empty_cache: Path, tmp_path: Path, registry: Registry
) -> None:
    locked = locked_folder(tmp_path / "locked", "sha512-" + "A" * 86 + "==")
    with pytest.raises(BuildError) as caught:
        ManagedToolchain()._packages(locked, print)
    assert "EINTEGRITY" in (caught.value.traceback or "")
    assert not packages_folder(locked).exists()


def test_a_node_without_npm_that_was_named_is_an_error_and_not_passed_over(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "node"
    program.write_text("#!/bin/sh\necho v24.0.0\n")
    program.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(program))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BuildError, match="has no npm"):
        ManagedToolchain().esbuild(print)


def test_what_is_installed_needs_no_node(managed: ManagedToolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    managed.esbuild(print)
    monkeypatch.setenv(VARIABLE, os.devnull)
    assert ManagedToolchain().esbuild(print).program.is_file()
