"""The operator who looks at somebody else's repository: a home, an environment, and secrets in both.

Every secret is a canary: a word that stands nowhere else, so that whatever has it got it from here.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GITHUB_TOKEN",
    "NPM_TOKEN",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "DATABASE_URL",
    "SSH_AUTH_SOCK",
    "TWINE_PASSWORD",
)
FILES = (
    ".bashrc",
    ".ssh/id_rsa",
    ".ssh/config",
    ".aws/credentials",
    ".npmrc",
    ".netrc",
    ".gitconfig",
    ".git-credentials",
    ".config/pip/pip.conf",
    ".config/uv/uv.toml",
    ".docker/config.json",
    ".env",
)


def canary(name: str) -> str:
    """The secret of a variable, or of a file of the home."""
    return "canary" + "".join(letter for letter in name.lower() if letter.isalnum()) + "d1e5"


CANARIES = frozenset(canary(name) for name in (*VARIABLES, *FILES))


def _content(name: str) -> str:
    secret = canary(name)
    return {
        ".gitconfig": f"[user]\n\tname = {secret}\n\temail = {secret}@example.com\n",
        ".npmrc": f"//registry.example/:_authToken={secret}\n",
        ".netrc": f"machine 127.0.0.1 login operator password {secret}\n",
        ".config/pip/pip.conf": f"# {secret}\n[global]\ntimeout = 5\n",
        ".config/uv/uv.toml": f"# {secret}\n",
        ".docker/config.json": f'{{"auths": {{"registry.example": {{"auth": "{secret}"}}}}}}\n',
        ".aws/credentials": f"[default]\naws_secret_access_key = {secret}\n",
    }.get(name, f"# {secret}\nSECRET={secret}\n")


@dataclass
class Recorder:
    """A server on this machine, the operator's index of packages. It has none, and keeps what it is asked."""

    port: int
    requests: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.requests.append(f"{self.requestline}\n{self.headers}\n{body.decode('latin-1')}")
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_POST = do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Recorder(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield made
        server.shutdown()


@dataclass(frozen=True)
class Operator:
    """Where a command is run: a repository beside a home, with room for what is temporary."""

    repository: Path
    home: Path
    temporary: Path
    outside: Path
    cache: Path
    recorder: Recorder

    def environment(self) -> dict[str, str]:
        """The operator's variables, all of them; none is this machine's but the path."""
        index = f"{self.recorder.address}/simple/"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "LANG": "C.UTF-8",
            "CAPSULE_CACHE_DIR": str(self.cache),
            # What a command starts is watched until it ends, and a resident host stays.
            "CAPSULE_RESIDENT": "0",
            "PIP_INDEX_URL": index,
            "UV_DEFAULT_INDEX": index,
            "npm_config_registry": index,
            **{name: canary(name) for name in VARIABLES},
        }


def operator(folder: Path, cache: Path, recorder: Recorder) -> Operator:
    """A new operator in ``folder``, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    made = Operator(*(folder / name for name in ("repository", "home", "tmp", "outside")), cache, recorder)
    for place in (made.repository, made.home, made.temporary, made.outside):
        place.mkdir(parents=True)
    for name in FILES:
        file = made.home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_content(name))
    (made.outside / "secret.txt").write_text(canary(".env") + "\n")
    return made
