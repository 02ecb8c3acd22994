"""Bad input of every kind: an error for people, never a traceback of ours."""

from __future__ import annotations

import json

import pytest
import wasmtime

GOOD = "def main():\n    return 1\n"


def test_a_missing_file(cli, said):
    said(cli("run", "missing.py"), "missing.py: no such file", "hint:", status=2)


def test_a_folder(project, cli, said):
    (project / "src").mkdir()
    said(cli("run", "src"), "src is a folder", "hint:", status=2)


@pytest.mark.parametrize("name", ["main.rb", "main", "main.txt"])
def test_an_unknown_suffix(project, cli, said, name):
    project.write(name, "x")
    said(cli("run", name), name, ".py", "capsule plugins", status=2)


def test_a_suffix_whose_frontend_is_not_installed_names_the_distribution(project, python):
    project.write("main.ts", "x")
    done = python("""
        from pathlib import Path
        from capsule.errors import UsageError
        from capsule.frontend.manager import Plugins
        try:
            Plugins(lambda: []).frontend_for(Path("main.ts"))
        except UsageError as error:
            print(error)
    """)
    assert "no frontend for .ts files is installed" in done.stdout
    assert "pip install" in done.stdout
    assert "capsule-js" in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("VALUE = 1\n", ["main.py", "main"]),
        ("def helper():\n    return 1\n", ["main.py", "main"]),
        ("", ["main.py", "main"]),
    ],
)
def test_no_main(project, cli, said, text, words):
    project.write("main.py", text)
    done = cli("run", "main.py")
    said(done, *words, "hint:")
    assert done.status in (2, 3)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("def main(:\n", "main.py:1"),
        ("def main():\n\treturn 1\n        return 2\n", "main.py:3"),
        ("def main():\n    return 'open\n", "main.py:2"),
        ("x = 1\n\0", "main.py"),
    ],
)
def test_a_syntax_error(project, cli, said, text, place):
    project.write("main.py", text)
    said(cli("run", "main.py"), place, status=3)


def test_a_source_that_is_not_text(project, cli, said):
    (project / "main.py").write_bytes(b"def main():\n    return '\xff\xfe'\n")
    said(cli("run", "main.py"), "main.py", status=3)


def test_a_module_that_does_not_exist(project, cli):
    project.write("main.py", "import nosuchmodule\n" + GOOD)
    done = cli("run", "main.py")
    assert done.status in (1, 3), done
    assert "nosuchmodule" in done.stderr
    assert "main.py" in done.stderr
    assert "capsule/" not in done.stderr.replace("capsule: ", "")


def test_a_package_with_native_code_is_named(project, cli):
    project.write("main.py", "def main():\n    import numpy\n    return 1\n")
    done = cli("run", "main.py")
    assert done.status in (1, 3)
    assert "numpy" in done.stderr


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("object()", ["result", "object"]),
        ("{'a': [1, {2}]}", ["result", "a", "set"]),
        ("b'bytes'", ["result", "bytes", "base64"]),
        ("{(1, 2): 3}", ["result", "tuple"]),
        ("(x := [], x.append(x))[0]", ["result", "contains itself"]),
    ],
)
def test_an_unserialisable_result(project, cli, value, words):
    project.write("main.py", f"def main():\n    return {value}\n")
    done = cli("run", "main.py")
    assert done.status == 1
    for word in ("task_error", *words):
        assert word in done.stderr, done.stderr
    assert "json/encoder" not in done.stderr


def test_a_huge_result(project, cli):
    project.write("main.py", "def main():\n    return 'x' * 2_000_000\n")
    done = cli("run", "main.py", "--limit", "result_bytes=1MB")
    assert done.status == 1
    assert "result_too_large" in done.stderr
    assert len(done.stderr) < 1000


def test_a_deeply_nested_result(project, cli):
    project.write("main.py", "def main():\n    x = []\n    for _ in range(200_000): x = [x]\n    return x\n")
    done = cli("run", "main.py", "--json")
    assert done.status == 1
    assert done.envelope.error["error_type"] in ("task_error", "stack_overflow")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["name"]),
        (["a", "b"], ["too many positional"]),
        (["--args-json", '{"name": 1, "nom": 1}'], ["nom"]),
        (["--args-json", '{"name": 1, "a b": 1}'], ["a b"]),
    ],
)
def test_wrong_arguments(project, cli, arguments, words):
    project.write("main.py", "def main(name):\n    return name\n")
    done = cli("run", "main.py", *arguments)
    assert done.status == 1
    assert "Traceback" not in done.stderr
    for word in ("invalid_call", *words):
        assert word in done.stderr, done.stderr


def test_two_tasks_of_one_name(project, cli, said):
    project.write(
        "main.py",
        """
        from capsule import task

        @task(name="main")
        def one():
            return 1

        @task(name="main")
        def two():
            return 2
    """,
    )
    done = cli("run", "main.py")
    said(done, "main.py:7", "two tasks are named 'main'", "main.py:3", status=3)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, user_cache):
    """A good artifact, thin: what is wrong with the copies is not its size."""
    from capsule import run_sync
    from capsule.launch.journals import close_journals

    root = tmp_path_factory.mktemp("exported")
    (root / "main.py").write_text("def main():\n    return 'exported'\n")
    run_sync(root / "main.py", cwd=root)
    close_journals()
    [path] = (root / ".capsule/wasm").glob("*.wasm")
    return path.read_bytes()


MODULE = bytes(wasmtime.wat2wasm("(module)"))
COMPONENT = bytes(wasmtime.wat2wasm("(component)"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ["is empty"]),
        (b"hello", ["not a WebAssembly file"]),
        (b"\x7fELF" + bytes(100), ["not a WebAssembly file"]),
        (b"\0asm", ["WebAssembly"]),
        (b"\0asm\x63\0\0\0", ["unknown version"]),
        (MODULE, ["core WebAssembly module", "capsule build --export"]),
        (COMPONENT, ["without a capsule manifest", "capsule build --export"]),
        (COMPONENT + b"\x00\xff\xff\xff\xff\x7f", ["impossible size"]),
        (COMPONENT + b"\x00\x50abc", ["cut short"]),
    ],
)
def test_a_file_that_is_no_artifact(project, cli, said, data, words):
    (project / "main.wasm").write_bytes(data)
    said(cli("exec", "main.wasm"), "main.wasm", *words, status=2)


def test_a_truncated_artifact(project, cli, said, exported):
    for cut in (1, 9, len(exported) // 2):
        (project / "main.wasm").write_bytes(exported[:-cut])
        done = cli("exec", "main.wasm")
        said(done, status=2)


def test_a_thin_artifact_runs_where_its_engine_is(project, cli, exported):
    (project / "main.wasm").write_bytes(exported)
    assert cli("exec", "main.wasm").stdout == "exported\n"


def test_an_artifact_whose_engine_is_not_there_says_what_to_do(project, cli, said, exported):
    section = exported[exported.index(b"capsule:engine") :]
    key = json.loads(section[section.index(b"{") : section.index(b"}") + 1])["key"]
    (project / "main.wasm").write_bytes(exported.replace(key.encode(), b"0" * len(key)))
    said(cli("exec", "main.wasm"), "needs an engine", "capsule build --export", status=2)


def test_a_manifest_that_claims_too_much_is_refused(project, cli, said, exported):
    for before, after in (
        (b'"max_retries":0', b'"max_retries":x'),
        (b'"timeout":null', b'"timeout":-100'),
        (b'"allowed_files":[]', b'"allowed_files":{}'),
        (b'"version":1', b'"version":9'),
    ):
        assert before in exported
        (project / "main.wasm").write_bytes(exported.replace(before, after))
        said(cli("exec", "main.wasm"), status=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tasks\n", ["capsule.toml:1", "TOML"]),
        ("[tasks]\ndefault_ram = 'lots'\n", ["capsule.toml:2", "default_ram", "lots"]),
        ("[limits]\nram = '-1MB'\n", ["capsule.toml:2", "ram"]),
        ("[wrokflow]\n", ["capsule.toml:1", "wrokflow", "workflow"]),
        ("[workflow]\nentrypoint = '../up.py'\n", ["capsule.toml:2", "entrypoint"]),
    ],
)
def test_bad_settings(project, cli, said, text, words):
    project.write("main.py", GOOD)
    project.write("capsule.toml", text)
    said(cli("run", "main.py"), *words, status=2)


def test_an_entrypoint_that_is_not_there(project, cli, said):
    project.write("capsule.toml", '[workflow]\nentrypoint = "gone.py"\n')
    said(cli("run"), "gone.py: no such file", "entrypoint", "capsule.toml", "capsule run main.py", status=2)


def test_a_file_of_no_language_says_so_in_words(project, cli, said):
    project.write("notes", "x")
    project.write("notes.md", "x")
    said(cli("run", "notes"), "no installed frontend can run a file without a suffix", "hint:", status=2)
    said(cli("run", "notes.md"), "no installed frontend can run .md files", "hint:", status=2)


def test_a_ram_without_a_unit_is_told_what_to_write(project, cli, said):
    project.write("main.py", "from capsule import task\n@task(ram=64)\ndef main(): return 1\n")
    said(cli("run", "main.py"), "64 bytes", "main.py:2", 'such as "64MB"', status=1)


def test_a_name_with_strange_characters_is_just_a_name(project, cli):
    for name in ("with space.py", "-x.py", "\u00e9\u4e2d.py", "a'b\"c.py", "[red].py"):
        project.write(name, GOOD)
        done = cli("run", f"./{name}")
        assert (done.status, done.stdout) == (0, "1\n"), done


def test_a_plugin_that_is_broken_is_reported_and_skipped(project, cli):
    site = project / "site"
    project.write("site/broken_plugin.py", "raise RuntimeError('no good')\n")
    project.write("site/broken-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    project.write("site/broken-1.dist-info/entry_points.txt", "[capsule]\nbroken = broken_plugin\n")
    project.write("main.py", GOOD)
    done = cli("run", "main.py", env={"PYTHONPATH": str(site)})
    assert (done.status, done.stdout) == (0, "1\n"), done
    assert "Traceback" not in done.stderr
    assert "'broken' (broken) is broken and was skipped: RuntimeError: no good" in done.stderr
    assert "broken: RuntimeError: no good" in cli("plugins", env={"PYTHONPATH": str(site)}).stdout
