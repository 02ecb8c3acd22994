"""The table of attacks in docs/security-tests.md: read, checked (`table_test.py`), and written anew.

    uv run python tests/security/table.py [--reference FILE]

writes the tables as the tests are now: new tests get rows, rows without a test go, and forms are counted.
What a row says of its attack, of the result and of forms within one test is kept. ``--reference`` takes
what ``portable_test.py --reference COMMAND -k reference`` has printed.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from portable_attacks import ATTACKS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs/security-tests.md"

TITLES = {
    "aims_test.py": "Tools that a project aims",
    "artifact_test.py": "Artifacts from elsewhere",
    "build_test.py": "Building, and the environment",
    "next_run_test.py": "Planting what runs next",
    "evaded_ceilings_test.py": "Ways around the ceilings",
    "code_test.py": "Code without a file",
    "sessions_test.py": "Sessions",
    "tools_test.py": "Host tools",
    "mcp_test.py": "The MCP server",
    "mcp_servers_test.py": "The tools of MCP servers",
    "deny_all_test.py": "`--deny-all`",
    "repositories_test.py": "Hostile repositories, with everything watched",
    "installs_test.py": "Installing packages",
    "inputs_test.py": "Inputs that are something else, or somebody else's",
    "entropy_test.py": "What sandboxes share",
    "exhaustion_test.py": "Time, memory, threads",
    "files_test.py": "Files",
    "foreign_test.py": "Components of another contract",
    "host_interface_test.py": "The host's interface, by generated calls",
    "resources_test.py": "What the host does for a guest",
    "network_test.py": "Network",
    "secrets_test.py": "Secrets",
    "outcome_test.py": "Outcomes and the terminal",
    "outcome_typescript_test.py": "Outcomes of TypeScript",
    "policy_test.py": "Policies",
    "state_test.py": "Folders: `.capsule`, settings, the user's cache",
    "typescript_test.py": "The core attacks, in TypeScript",
    "worker_test.py": "Worker processes",
    "resident_test.py": "The resident host",
    "portable_test.py": "Any runtime of the user guide's language",
}
NOT_ATTACKS = ("table_test.py", "promises_test.py")

CONTROL = "control"
"""How the result of a row begins that is no attack: it shows that the others had something to gain."""

_ROW = re.compile(r"^\| (.+?) \| (\d+) \| (.+?) \| `(test_\w+)` \|$", re.MULTILINE)
_REFERENCE_ROW = re.compile(r"^\| (.+?) \| (held|\*\*succeeds\*\*|not tried) \|$", re.MULTILINE)
_COUNTS = re.compile(r"^\d+ attacks in \d+ forms\.", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """An attack: what it tries, in how many forms, what comes of it, and its test."""

    attack: str
    forms: int
    result: str
    test: str

    def __str__(self) -> str:
        return f"| {self.attack} | {self.forms} | {self.result} | `{self.test}` |"


def files() -> list[Path]:
    """The files of attacks, in the page's order."""
    found = {path.name: path for path in HERE.glob("*_test.py") if path.name not in NOT_ATTACKS}
    return [found.pop(name) for name in TITLES if name in found] + [found[name] for name in sorted(found)]


def attacks_of(file: Path) -> list[str]:
    """The names of a file's tests, but for those that need another runtime."""
    functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    return [
        node.name
        for node in functions
        if node.name.startswith("test_") and "reference" not in {argument.arg for argument in node.args.args}
    ]


def rows(page: str) -> dict[str, list[Row]]:
    """The page's rows, by the file of their section."""
    found = {}
    for section in page.split("\n## ")[1:]:
        named = re.search(r"^`tests/security/(\w+\.py)`$", section, re.MULTILINE)
        if named:
            found[named[1]] = [Row(one[1], int(one[2]), one[3], one[4]) for one in _ROW.finditer(section)]
    return found


def reference_results(page: str) -> dict[str, str]:
    """What each portable attack gained in the reference implementation."""
    return dict(_REFERENCE_ROW.findall(page))


def counted(page: str) -> str:
    """How many attacks the rows are: what the page says at its top."""
    attacks = [row for some in rows(page).values() for row in some if not row.result.startswith(CONTROL)]
    return f"{len(attacks)} attacks in {sum(row.forms for row in attacks)} forms."


def written_anew(page: str, reference: str = "") -> str:
    """The page, as the tests are now."""
    before, results = rows(page), {**reference_results(page), **reference_results(reference)}
    forms = _forms()
    head, *rest = page.split("\n## ")
    last = next((section for section in rest if section.startswith("The host's parsers")), None)
    sections = [head.rstrip()]
    for file in files():
        known = {row.test: row for row in before.get(file.name, [])}
        lines = [
            f"## {TITLES.get(file.name, file.stem)}",
            f"`tests/security/{file.name}`",
            "\n".join(
                [
                    "| Attack | Forms | Result | Test |",
                    "|---|---:|---|---|",
                    *(str(_row(name, known.get(name), forms[file.name, name])) for name in attacks_of(file)),
                ]
            ),
        ]
        if file.name == "portable_test.py":
            lines += list(_reference(page, results))
        sections.append("\n\n".join(lines))
    if last is not None:
        sections.append("## " + last.rstrip())
    text = "\n\n".join(sections) + "\n"
    return _COUNTS.sub(counted(text), text, count=1)


def _reference(page: str, results: dict[str, str]) -> Iterator[str]:
    gained = sum("succeeds" in results.get(attack.name, "") for attack in ATTACKS)
    yield (
        f"Each of the {len(ATTACKS)} is a program in the guide's Python that any such runtime can be tried "
        f"with.\nAll are held here; in the reference implementation (0.8.10) {gained} of them gain something:"
    )
    yield "\n".join(
        [
            "| Attack | Reference implementation |",
            "|---|---|",
            *(f"| {attack.name} | {results.get(attack.name, 'not tried')} |" for attack in ATTACKS),
        ]
    )


def _row(test: str, known: Row | None, collected: int) -> Row:
    if known is not None:
        # Some tests try many forms in one sandbox: that number was counted by hand.
        return Row(known.attack, max(known.forms, collected), known.result, test)
    words = re.sub(r" s (?=\w)", "'s ", test.removeprefix("test_").replace("_", " "))
    return Row(words[0].upper() + words[1:], collected, "held", test)


def _forms() -> Counter[tuple[str, str]]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(HERE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = re.findall(r"^tests/security/(\w+\.py)::(test_\w+)", done.stdout, re.MULTILINE)
    if not found:
        raise SystemExit(done.stdout + done.stderr)
    return Counter(found)


if __name__ == "__main__":
    given = Path(sys.argv[2]).read_text() if sys.argv[1:2] == ["--reference"] else ""
    PAGE.write_text(written_anew(PAGE.read_text(), given))
