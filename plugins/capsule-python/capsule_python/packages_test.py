import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from capsule.errors import BuildError, Location
from capsule.frontend.installing import install_line
from capsule.frontend.spec import Host
from capsule.frontend.wheels.installers import Installer, find_installer, pip_of
from capsule_python import installer
from capsule_python.dependencies import Dependencies
from capsule_python.packages import Packages, resolve

TAG = "cp314-cp314-manylinux_2_28_x86_64"
Wheel = Callable[..., None]


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """Makes wheels in a folder, which is all that the user's settings let uv and pip look at."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, str(folder))
    for name in ("UV_NO_INDEX", "PIP_NO_INDEX"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))

    def make(
        name: str,
        files: Mapping[str, str],
        *,
        version: str = "1.0",
        tag: str = "py3-none-any",
        metadata: str = "",
    ) -> None:
        info = f"{name}-{version}.dist-info"
        content = {
            **files,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        record = ""
        with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
            for path, text in content.items():
                archive.writestr(path, text)
                digest = (
                    base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
                )
                record += f"{path},sha256={digest},{len(text.encode())}\n"
            archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")

    return make


def depends(*requirements: str, of_project: bool = False) -> Dependencies:
    return Dependencies(tuple(sorted(requirements)), Location("main.py", 1), of_project)


def names(packages: Packages | None) -> list[str]:
    assert packages is not None
    return [distribution.name for distribution in packages.distributions]


def a_pip() -> Installer | None:
    """The pip of this Python, or of the one that its environment was made with."""
    code = "import pip, sys; print(sys.executable)"
    for python in (sys.executable, f"{sys.base_prefix}/bin/python3", "python3"):
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return pip_of(done.stdout.strip())
    return None


@pytest.fixture(params=["uv", "pip"])
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either installer, where it is there."""
    found = find_installer() if request.param == "uv" else a_pip()
    if found is None or found.name != request.param:
        pytest.skip(f"{request.param} is not there")
    monkeypatch.setattr(installer, "find_installer", lambda: found)
    return str(request.param)


def test_what_is_named_is_installed_with_what_it_requires(host: Host, wheel: Wheel, tool: str) -> None:
    wheel("one", {"one/__init__.py": "", "one/data.txt": "x"}, metadata="Requires-Dist: two\n")
    wheel("two", {"two.py": ""})
    wheel("three", {"three.py": ""})
    packages = resolve(depends("one"), frozenset({"one"}), host)
    assert packages is not None
    assert names(packages) == ["one", "two"]
    one = packages.distributions[0]
    assert [module.name for module in one.modules] == ["one"]
    assert one.data == ("one-1.0.dist-info/METADATA", "one/data.txt")
    assert (packages.site / "one/data.txt").read_text() == "x"


def test_nothing_of_a_project_is_installed_for_a_program_that_imports_nothing_from_outside(
    host: Host, wheel: Wheel
) -> None:
    assert resolve(depends("missing", of_project=True), frozenset(), host) is None
    assert resolve(depends(), frozenset({"missing"}), host) is None
    assert not any(host.cache_folder("packages").iterdir())


def test_a_program_s_own_list_has_to_be_there_even_if_nothing_imports_it(host: Host, wheel: Wheel) -> None:
    wheel("one", {"one.py": ""})
    assert resolve(depends("one"), frozenset(), host) is None
    with pytest.raises(BuildError, match="could not install one-that-nobody-has"):
        resolve(depends("one-that-nobody-has"), frozenset(), host)


def test_a_second_time_nothing_is_started(host: Host, wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel("one", {"one.py": ""})
    first = resolve(depends("one"), frozenset({"one"}), host)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(installer, "find_installer", lambda: None)
    assert resolve(depends("one"), frozenset({"one"}), host) == first
    with pytest.raises(BuildError, match="neither uv nor pip") as caught:
        resolve(depends("two"), frozenset({"two"}), host)
    assert caught.value.hint == install_line("uv")


def test_native_modules_are_chosen_by_linux_wheels_and_left_out_where_python_does(
    host: Host, wheel: Wheel, tool: str
) -> None:
    fast = "try:\n    from ._fast import f\nexcept ImportError:\n    f = None"
    wheel("one", {"one/__init__.py": fast, "one/_fast.cpython-314-x86_64-linux-gnu.so": "ELF"}, tag=TAG)
    wheel("one", {"one/__init__.py": ""}, version="0.1")
    packages = resolve(depends("one"), frozenset({"one"}), host)
    assert packages is not None
    assert packages.distributions[0].version == "1.0"
    assert sorted(path.name for path in (packages.site / "one").iterdir()) == ["__init__.py"]


def test_native_code_that_is_needed_is_an_error_that_names_file_and_reason(host: Host, wheel: Wheel) -> None:
    wheel("core", {"core/__init__.py": "from ._core import *", "core/_core.abi3.so": "ELF"}, tag=TAG)
    wheel("one", {"one.py": "import core"}, metadata="Requires-Dist: core\n")
    wheel("pure", {"pure.py": ""})
    with pytest.raises(BuildError) as caught:
        resolve(depends("one"), frozenset({"one"}), host)
    message = str(caught.value)
    assert "core 1.0 has native code (core/_core.abi3.so)" in message
    assert "one needs it" in message
    assert message.startswith("main.py:1: ")
    assert "pass its results in" in (caught.value.hint or "")
    # It is in nobody's way as long as nothing imports it.
    assert names(resolve(depends("one", "pure"), frozenset({"pure"}), host)) == ["one", "pure"]


def test_of_a_whole_project_only_what_the_program_reaches_is_taken(host: Host, wheel: Wheel) -> None:
    wheel("one", {"one.py": ""}, metadata="Requires-Dist: two\n")
    wheel("two", {"two.py": ""})
    wheel("three", {"three.py": ""})
    listed = depends("one", "three", of_project=True)
    assert names(resolve(listed, frozenset({"one"}), host)) == ["one", "two"]
    assert names(resolve(listed, frozenset({"three"}), host)) == ["three"]


def test_extras_and_markers_are_those_of_the_guest(host: Host, wheel: Wheel) -> None:
    wheel("one", {"one.py": ""}, metadata="Provides-Extra: more\nRequires-Dist: two; extra == 'more'\n")
    wheel("two", {"two.py": ""})
    wheel("old", {"old.py": ""})
    listed = depends("one[more]", "old; python_version < '3.14'", of_project=True)
    assert names(resolve(listed, frozenset({"one", "old"}), host)) == ["one", "two"]


def test_files_come_along_whatever_their_names_are(host: Host, wheel: Wheel) -> None:
    odd = ("one/data-1/unicode17-0-0.py", "one/{{name}}/setup.py")
    unusable = ("one/{{ name }}/x.py", "one/a.b.py", "one/notes.txt")
    wheel("one", dict.fromkeys(("one/__init__.py", *odd, *unusable), ""))
    packages = resolve(depends("one"), frozenset({"one"}), host)
    assert packages is not None
    (found,) = packages.distributions
    assert [(module.name, module.package) for module in found.modules] == [
        ("one", True),
        ("one.data-1.unicode17-0-0", False),
        ("one.{{name}}.setup", False),
    ]
    assert {*odd, *unusable} <= set(found.data)


def test_the_digest_follows_the_content_and_nothing_else(tmp_path: Path, wheel: Wheel, host: Host) -> None:
    class Elsewhere:
        progress = host.progress
        call_engine = host.call_engine

        def cache_folder(self, name: str) -> Path:
            folder = tmp_path / "elsewhere"
            folder.mkdir(exist_ok=True)
            return folder

    wheel("one", {"one.py": "a = 1"})
    first = resolve(depends("one"), frozenset({"one"}), host)
    again = resolve(depends("one"), frozenset({"one"}), Elsewhere())
    wheel("one", {"one.py": "a = 2"}, version="1.1")
    other = resolve(depends("one>1"), frozenset({"one"}), host)
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.site != again.site
    assert first.digest == again.digest != other.digest


def test_a_package_without_a_wheel_is_an_error_and_is_not_built(
    host: Host, wheel: Wheel, tmp_path: Path, tool: str
) -> None:
    source = tmp_path / "wheels" / "evil-1.0"
    source.mkdir()
    (source / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    command = ["tar", "czf", str(tmp_path / "wheels/evil-1.0.tar.gz"), "-C", str(source.parent), "evil-1.0"]
    subprocess.run(command, check=True)
    with pytest.raises(BuildError, match="could not install evil") as caught:
        resolve(depends("evil"), frozenset({"evil"}), host)
    assert "only packages with wheels" in (caught.value.hint or "")
    assert not (tmp_path / "ran").exists()
    assert [path.suffix for path in host.cache_folder("packages").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    "requirement",
    ["evil @ git+https://example.org/evil", "evil @ file:///evil.whl", "evil @ https://example.org/evil.zip"],
)
def test_only_released_wheels_can_be_named_by_address(host: Host, requirement: str) -> None:
    with pytest.raises(BuildError, match="not a wheel on an https server"):
        resolve(depends(requirement), frozenset({"evil"}), host)


def test_without_a_network_the_error_says_so(host: Host, monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
    for name in ("UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    for name in ("UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(BuildError, match="could not install one-that-nobody-has") as caught:
        resolve(depends("one-that-nobody-has"), frozenset({"one"}), host)
    assert "connect to the network" in (caught.value.hint or "")


def test_two_at_once_install_once(host: Host, wheel: Wheel) -> None:
    wheel("one", {"one.py": ""})
    found: list[Packages | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(resolve(depends("one"), frozenset({"one"}), host)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is not None
    assert found == [found[0]] * 3
    messages = host.messages  # type: ignore[attr-defined]
    assert sum(message.startswith("installing") for message in messages) == 1


def test_an_installer_that_was_killed_leaves_nothing_that_counts(host: Host, wheel: Wheel) -> None:
    wheel("one", {"one.py": "a = 1"})
    folder = host.cache_folder("packages")
    code = """
import os, pathlib, signal, sys
from capsule.errors import Location
from capsule_python import installer, packages
from capsule_python.dependencies import Dependencies
class Host:
    def progress(self, message): pass
    def cache_folder(self, name): return pathlib.Path(sys.argv[1])
def killed(dependencies, site, host):
    (site / "half.py").write_text("")
    os.kill(os.getpid(), signal.SIGKILL)
installer.install = killed
packages.resolve(Dependencies(("one",), Location("main.py")), frozenset({"one"}), Host())
"""
    done = subprocess.run([sys.executable, "-c", code, str(folder)], check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert any(path.suffix == ".new" for path in folder.iterdir())
    packages = resolve(depends("one"), frozenset({"one"}), host)
    assert packages is not None
    assert names(packages) == ["one"]
    assert not (packages.site / "half.py").exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"distributions": [{}]}', json.dumps({"distributions": 3})]
)
def test_a_damaged_record_is_installed_anew(host: Host, wheel: Wheel, content: str) -> None:
    wheel("one", {"one.py": ""})
    first = resolve(depends("one"), frozenset({"one"}), host)
    assert first is not None
    (first.site.parent / "record.json").write_text(content)
    assert resolve(depends("one"), frozenset({"one"}), host) == first


def test_a_warm_answer_is_quick(host: Host, wheel: Wheel) -> None:
    wheel("one", {f"one/m{number}.py": "" for number in range(200)})
    resolve(depends("one"), frozenset({"one"}), host)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        resolve(depends("one"), frozenset({"one"}), host)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.05


@pytest.mark.usefixtures("package_index")
def test_a_package_of_the_real_index_is_installed(host: Host) -> None:
    packages = resolve(depends("six", "markupsafe"), frozenset({"six", "markupsafe"}), host)
    assert names(packages) == ["markupsafe", "six"]
