"""The commands and their options (cyclopts)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

Json = Annotated[
    bool, Parameter(name="--json", negative=(), help="Print one line of JSON on stdout, and nothing else.")
]
Verbose = Annotated[
    bool, Parameter(name=["--verbose", "-v"], negative=(), help="Show what happens, as it happens.")
]
Mounts = Annotated[
    tuple[str, ...],
    Parameter(name="--mount", negative=(), help="A folder for the run: HOST[::GUEST][:ro|:rw]. Repeatable."),
]
Limit = Annotated[
    tuple[str, ...],
    Parameter(name="--limit", negative=(), help="A ceiling: NAME=VALUE, such as ram=256MB. Repeatable."),
]
CodeOptions = Annotated[
    tuple[str, ...],
    Parameter(
        name="--option",
        negative=(),
        help="What code in no file may use: NAME=VALUE, such as allowed_hosts=example.com. Repeatable.",
    ),
]
McpServers = Annotated[
    tuple[str, ...],
    Parameter(
        name="--mcp-server",
        negative=(),
        help="Tools for the tasks: NAME=COMMAND starts an MCP server, NAME=URL connects to one. Repeatable.",
    ),
]
McpVariables = Annotated[
    tuple[str, ...],
    Parameter(
        name="--mcp-env", negative=(), help="A variable of ours that MCP servers get, too. Repeatable."
    ),
]
DenyAll = Annotated[
    bool,
    Parameter(name="--deny-all", negative=(), help="No folders, hosts, variables or secrets for any task."),
]
RequireSignature = Annotated[
    tuple[Path, ...],
    Parameter(
        name="--require-signature",
        negative=(),
        help="A .wasm must be signed by a key of this file. Repeatable.",
    ),
]
ArgsJson = Annotated[
    str | None,
    Parameter(
        name="--args-json", allow_leading_hyphen=True, help="Typed arguments: a JSON list, or an object."
    ),
]
Stdin = Annotated[
    Path | None,
    Parameter(
        name="--stdin",
        allow_leading_hyphen=True,
        help="What a command (wasi:cli/run) reads as its standard input: a file, or - for our own.",
    ),
]
ArgsFile = Annotated[Path | None, Parameter(name="--args-file", help="Typed arguments from a JSON file.")]
EnvFile = Annotated[
    Path | None, Parameter(name="--env-file", help="A file with more values for env_variables, like .env.")
]
TaskName = Annotated[str, Parameter(name="--task", help="The task to run, instead of main.")]
Arguments = Annotated[
    str,
    Parameter(
        help="Arguments for the task, of the types it is annotated with. Those that begin with - go after --."
    ),
]

app = App(
    name="capsule",
    help="Runs tasks in WebAssembly sandboxes, each with the policy that it declares.\n\n"
    "Start with: capsule run hello.py",
    version_flags=["--version"],
    # Where a default tells something, the help says it in words.
    default_parameter=Parameter(show_default=False),
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
cache_app = App(name="cache", help="What is stored, and how to remove it.", help_format="plaintext")
app.command(cache_app)
plugin_app = App(name="plugin", help="Frontends for other languages.", help_format="plaintext")
app.command(plugin_app)
keys_app = App(name="keys", help="Keys to sign artifacts with.", help_format="plaintext")
app.command(keys_app)
resident_app = App(
    name="resident",
    help="The process that has everything loaded for the next command.",
    help_format="plaintext",
)
app.command(resident_app)


def _version() -> str:
    from importlib.metadata import version

    return version("capsule-run")


app.version = _version


@app.command
def run(
    file: Annotated[
        Path | None, Parameter(help="A source file or a .wasm; by default, the entrypoint of capsule.toml.")
    ] = None,
    /,
    *args: Arguments,
    task: TaskName = "main",
    json: Json = False,
    verbose: Verbose = False,
    mount: Mounts = (),
    args_json: ArgsJson = None,
    args_file: ArgsFile = None,
    env_file: EnvFile = None,
    limit: Limit = (),
    watch: Annotated[bool, Parameter(negative=(), help="Run again on every save, until Ctrl-C.")] = False,
    deny_all: DenyAll = False,
    require_signature: RequireSignature = (),
    stdin: Stdin = None,
    code: Annotated[
        str | None,
        Parameter(
            name=["--code", "-c"], allow_leading_hyphen=True, help="Run this code instead of a file's."
        ),
    ] = None,
    from_stdin: Annotated[bool, Parameter(negative=(), help="Run the code on stdin; - is short.")] = False,
    lang: Annotated[
        str, Parameter(help="The language of -c and of code on stdin: python, typescript.")
    ] = "python",
    package: Annotated[
        tuple[str, ...],
        Parameter(
            name="--package", negative=(), help="A package for -c, as pip or npm names it. Repeatable."
        ),
    ] = (),
    option: CodeOptions = (),
    mcp_server: McpServers = (),
    mcp_env: McpVariables = (),
) -> int:
    """Builds a file if it has changed, and runs its main task.

    Exit codes: 0 it returned, 1 it failed, 2 wrong usage or settings, 3 the build failed, 130 interrupted.

    Without a file, -c CODE runs code as it is, and - reads it from stdin. It gets no folder, host or
    variable, 512 MB and a minute, unless --option says more; its result is the value of its last line.

    Example: capsule run main.py hello --verbose
    """
    from capsule.cli.common.starting import RunOptions
    from capsule.cli.run import run_file

    options = RunOptions(
        *(task, json, verbose, mount, args_json, args_file, env_file, limit),
        watch=watch,
        deny_all=deny_all,
        require_signature=require_signature,
        stdin=stdin,
        code=code,
        from_stdin=from_stdin,
        lang=lang,
        package=package,
        option=option,
        mcp_server=mcp_server,
        mcp_env=mcp_env,
    )
    return run_file(file, args, options)


@app.command(name="exec")
def exec_(
    file: Annotated[
        Path, Parameter(help="A .wasm from capsule build --export, or somebody else's component.")
    ],
    /,
    *args: Arguments,
    task: TaskName = "main",
    json: Json = False,
    verbose: Verbose = False,
    mount: Mounts = (),
    args_json: ArgsJson = None,
    args_file: ArgsFile = None,
    env_file: EnvFile = None,
    limit: Limit = (),
    deny_all: DenyAll = False,
    require_signature: RequireSignature = (),
    stdin: Stdin = None,
    mcp_server: McpServers = (),
    mcp_env: McpVariables = (),
) -> int:
    """Runs an exported artifact under the policies built into it, or somebody else's component under yours.

    Example: capsule exec hello.wasm
    """
    from capsule.cli.common.starting import RunOptions
    from capsule.cli.run import run_file
    from capsule.errors import UsageError

    if file.suffix.lower() != ".wasm":
        raise UsageError(f"{file} is not a .wasm file", hint=f"capsule run {file}")
    options = RunOptions(
        *(task, json, verbose, mount, args_json, args_file, env_file, limit),
        deny_all=deny_all,
        require_signature=require_signature,
        stdin=stdin,
        mcp_server=mcp_server,
        mcp_env=mcp_env,
    )
    return run_file(file, args, options)


@app.command
def build(
    *files: Annotated[
        Path, Parameter(help="Source files, folders or patterns; by default, all members, or the entrypoint.")
    ],
    export: Annotated[
        bool, Parameter(negative=(), help="Write FILE.wasm, which runs without its source.")
    ] = False,
    snapshot: Annotated[
        bool,
        Parameter(
            negative=(), help="Run the program's top level now, once: for programs with heavy imports."
        ),
    ] = False,
    typecheck: Annotated[
        bool, Parameter(negative=(), help="Check types, too; exit with 3 if something is wrong.")
    ] = False,
    jobs: Annotated[
        int | None,
        Parameter(name=["--jobs", "-j"], help="How many members to build at once; by default, one per CPU."),
    ] = None,
    affected: Annotated[
        bool, Parameter(negative=(), help="Only members affected by a change, according to git.")
    ] = False,
    since: Annotated[
        str | None, Parameter(help="With --affected: changes since this revision, instead of HEAD.")
    ] = None,
    check: Annotated[
        bool,
        Parameter(
            negative=(), help="Keep nothing: build again, compare, and exit with 3 if an artifact differs."
        ),
    ] = False,
    explain: Annotated[
        bool, Parameter(negative=(), help="Build nothing: say why each member was built, or would be.")
    ] = False,
    watch: Annotated[bool, Parameter(negative=(), help="Build again on every save, until Ctrl-C.")] = False,
    sign: Annotated[
        tuple[Path, ...],
        Parameter(negative=(), help="With --export: sign with this private key. Repeatable."),
    ] = (),
    verbose: Annotated[
        bool,
        Parameter(
            name=["--verbose", "-v"],
            negative=(),
            help="Say what may be worth knowing, such as imports that fail if they are reached.",
        ),
    ] = False,
    json: Json = False,
) -> int:
    """Builds artifacts ahead of time, for a file or for every member of a workspace.

    Example: capsule build hello.py --export
    """
    from capsule.cli.build import build_command
    from capsule.cli.common.building import BuildOptions

    options = BuildOptions(
        *(export, snapshot, typecheck, json, jobs, affected, since, check, explain, watch, verbose), sign=sign
    )
    return build_command(files, options)


@app.command
def tasks(
    file: Annotated[
        Path | None, Parameter(help="A source file or a .wasm; by default, the entrypoint of capsule.toml.")
    ] = None,
    /,
    *,
    limit: Limit = (),
    deny_all: DenyAll = False,
    json: Json = False,
) -> int:
    """Lists a file's tasks, and what each of them may use.

    Example: capsule tasks main.py
    """
    from capsule.cli.tasks import list_tasks

    return list_tasks(file, limit=limit, deny_all=deny_all, as_json=json)


@app.command
def explain(
    file: Annotated[
        Path | None, Parameter(help="A source file or a .wasm; by default, the entrypoint of capsule.toml.")
    ] = None,
    task: Annotated[str | None, Parameter(help="One task; by default, all of them.")] = None,
    /,
    *,
    limit: Limit = (),
    deny_all: DenyAll = False,
    mount: Mounts = (),
    env_file: EnvFile = None,
    json: Json = False,
) -> int:
    """Shows what each task of a file may use, value by value: where it came from, and what cut it down.

    Example: capsule explain main.py main --limit ram=256MB
    """
    from capsule.cli.explain_policy import ExplainOptions, explain_file

    return explain_file(file, task, ExplainOptions(limit, deny_all, mount, env_file, json))


@app.command
def trace(
    run: Annotated[str | None, Parameter(help="A run's id, or the beginning of one.")] = None,
    /,
    *,
    limit: Annotated[int, Parameter(help="How many runs to list; by default, 20.")] = 20,
    json: Json = False,
    output: Annotated[bool, Parameter(negative=(), help="Show what the tasks printed, too.")] = False,
    html: Annotated[
        Path | None, Parameter(help="Write the run as a page for a browser to this file.")
    ] = None,
    perfetto: Annotated[
        Path | None, Parameter(help="Write the run to this file for ui.perfetto.dev or Chrome's viewer.")
    ] = None,
) -> int:
    """Lists recent runs, or shows one as a tree of its tasks.

    Example: capsule trace
    """
    from capsule.cli.trace import trace as show

    return show(run, limit=limit, json=json, output=output, html=html, perfetto=perfetto)


@app.command
def plugins(*, json: Json = False) -> int:
    """Lists the installed frontends: versions, suffixes, state."""
    from capsule.cli.plugins import list_plugins

    return list_plugins(as_json=json)


@app.command
def schema() -> int:
    """Prints the JSON Schema of capsule.toml, for editors.

    Example: capsule schema > capsule.schema.json
    """
    from capsule.cli.schema import print_schema

    return print_schema()


@app.command
def doctor(*, json: Json = False) -> int:
    """Checks that everything is in place, says what to do if not, and what is built."""
    from capsule.cli.doctor import diagnose

    return diagnose(as_json=json)


@app.command
def worker() -> int:
    """Runs tasks for another program: JSON lines on stdin and stdout, until stdin ends.

    This is what the runner of the npm package @capsule-run/sdk starts; docs/reference.md has the protocol.
    """
    from capsule.cli.worker import work

    return work()


@app.command
def mcp(
    *,
    http: Annotated[
        str | None, Parameter(help="Serve over HTTP at [HOST:]PORT, with a token, instead of stdio.")
    ] = None,
    option: CodeOptions = (),
    limit: Limit = (),
    root: Annotated[Path | None, Parameter(help="A folder whose files may be run.")] = None,
    tools: Annotated[
        tuple[str, ...], Parameter(name="--tool", negative=(), help="Offer this tool only. Repeatable.")
    ] = (),
    packages: Annotated[bool, Parameter(negative=(), help="Code may name packages to install.")] = False,
) -> int:
    """Serves tools that run code, for agents: the Model Context Protocol on stdin and stdout.

    Code gets no folder, host or variable, 512 MB and a minute, unless --option says more. A model can't
    change that.

    Example: capsule mcp --option timeout=10s --option allowed_hosts=api.example.com
    """
    from capsule.cli.mcp import serve_mcp

    return serve_mcp(options=option, limits=limit, root=root, tools=tools, packages=packages, http=http)


@keys_app.command
def new(
    name: Annotated[str, Parameter(help="Writes NAME.key, which is private, and NAME.pub, to give away.")], /
) -> int:
    """Makes a pair of keys to sign artifacts with.

    Example: capsule keys new release
    """
    from capsule.cli.keys import new_pair

    return new_pair(name)


@keys_app.command(name="show")
def show_key(file: Annotated[Path, Parameter(help="A private key, or public ones.")], /) -> int:
    """Shows the ids of the keys in a file, as errors and 'capsule explain' give them.

    Example: capsule keys show release.pub
    """
    from capsule.cli.keys import show_ids

    return show_ids(file)


@resident_app.command(name="status")
def resident_status(*, json: Json = False) -> int:
    """Shows the resident hosts of yours that are running."""
    from capsule.cli.resident import status as show

    return show(as_json=json)


@resident_app.command(name="stop")
def resident_stop() -> int:
    """Ends them; commands that are under way are done to their end."""
    from capsule.cli.resident import stop as end

    return end()


@cache_app.command
def stat(*, json: Json = False) -> int:
    """Shows what is stored, and where."""
    from capsule.cli.cache import stat as show

    return show(as_json=json)


@cache_app.command
def prune(
    *,
    max_size: Annotated[
        str | None, Parameter(help="Keep at most this much in each store, such as 500MB.")
    ] = None,
    max_age: Annotated[
        str | None, Parameter(help="Keep what was used within this time, such as 720h.")
    ] = None,
) -> int:
    """Removes what has not been used for longest."""
    from capsule.cli.cache import prune as remove

    return remove(max_size=max_size, max_age=max_age)


@cache_app.command
def clear(
    *,
    all: Annotated[
        bool, Parameter(name="--all", negative=(), help="Remove engines and compiled code, too.")
    ] = False,
) -> int:
    """Removes the project's artifacts."""
    from capsule.cli.cache import clear as remove

    return remove(everything=all)


@cache_app.command
def push(
    *files: Annotated[Path, Parameter(help="Source files; by default, the entrypoint or all members.")],
    all: Annotated[
        bool, Parameter(name="--all", negative=(), help="Everything in the store that is up to date.")
    ] = False,
    json: Json = False,
) -> int:
    """Uploads built artifacts to the shared cache.

    Example: capsule cache push main.py
    """
    from capsule.cli.cache_remote import push as upload

    return upload(files, everything=all, as_json=json)


@cache_app.command
def pull(
    *files: Annotated[Path, Parameter(help="Source files; by default, the entrypoint or all members.")],
    json: Json = False,
) -> int:
    """Fetches artifacts from the shared cache, and builds nothing.

    Example: capsule cache pull main.py
    """
    from capsule.cli.cache_remote import pull as download

    return download(files, as_json=json)


@app.command
def init(
    language: Annotated[str, Parameter(help="python, the default, or typescript.")] = "python",
    /,
    *,
    folder: Annotated[Path, Parameter(help="Where to write it; by default, here.")] = Path(),
) -> int:
    """Makes a project to start from: a program, its test, and a capsule.toml with safe settings.

    Example: capsule init typescript --folder my-agent
    """
    from capsule.cli.init import init as write

    return write(language, folder=folder)


@plugin_app.command(name="new")
def new_plugin(
    name: Annotated[
        str, Parameter(help="The language, in lower-case letters and digits; also the suffix of its files.")
    ],
    /,
    *,
    folder: Annotated[Path | None, Parameter(help="Where to write it; by default, capsule-NAME.")] = None,
) -> int:
    """Writes a working frontend plugin, with its tests, to start from.

    Example: capsule plugin new mylang
    """
    from capsule.cli.plugin import new as write

    return write(name, folder=folder)


@app.command(name="--install-completion")
def install_completion(
    *,
    shell: Annotated[
        Literal["zsh", "bash", "fish"] | None, Parameter(help="Which shell; without it, the one you are in.")
    ] = None,
    yes: Annotated[bool, Parameter(name="--yes", negative=(), help="Don't ask.")] = False,
) -> int:
    """Sets up completion for your shell; asks before it adds a line to a file of yours."""
    from capsule.cli.completion import install_completion as install

    return install(app, shell, yes=yes)
