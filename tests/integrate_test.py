"""The code of docs/integrate.md and docs/untrusted-code.md, run as it stands there."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
INTEGRATE = (ROOT / "docs/integrate.md").read_text("utf-8")
UNTRUSTED = (ROOT / "docs/untrusted-code.md").read_text("utf-8")


def blocks(page: str, title: str) -> list[str]:
    """The Python that stands under a heading."""
    section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@pytest.fixture
def sandbox(project: Any) -> Any:
    """A project with the page's ``sandbox.py``."""
    (project / "sandbox.py").write_text(blocks(UNTRUSTED, "The sandbox")[0])
    return project


def test_the_program_of_the_page_about_a_models_code_prints_its_result(sandbox, python):
    (program,) = blocks(UNTRUSTED, "Your program")
    done = python(program)
    assert (done.status, done.stdout) == (0, "7\n"), done


def test_many_answers_of_a_model_each_have_their_own_outcome(sandbox, python):
    (many,) = blocks(UNTRUSTED, "Many at once")
    done = python(many + "print([one.result for one in asyncio.run(try_all(['result = rows', 'x'], [1]))])")
    assert done.stdout == "[[1], None]\n", done


@pytest.fixture
def service(sandbox: Any) -> Iterator[str]:
    """The page's service under uvicorn, started with the page's command; its address."""
    (sandbox / "service.py").write_text(blocks(INTEGRATE, "FastAPI")[0])
    started = re.search(r"^uvicorn (\S+)$", INTEGRATE, re.MULTILINE)
    assert started is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    child = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", started[1], "--port", str(port)],
        cwd=sandbox.root,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        until = time.monotonic() + 120
        while child.poll() is None and time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert child.poll() is None, child.communicate()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        child.send_signal(signal.SIGINT)
        try:
            child.communicate(timeout=30)
        finally:
            child.kill()


def evaluate(service: str, code: str, rows: list[Any]) -> tuple[int, Any]:
    """The status and the JSON that the service answers with."""
    body = json.dumps({"code": code, "rows": rows}).encode()
    request = urllib.request.Request(f"{service}/evaluate", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_the_web_service_answers_with_the_result_or_with_what_stopped_the_code(service):
    assert evaluate(service, "result = max(rows)", [3, 1, 2]) == (200, {"result": 3})
    status, said = evaluate(service, "while True: pass", [])
    assert (status, said["detail"]["error_type"]) == (422, "out_of_fuel")
    status, said = evaluate(service, "open('/etc/passwd')", [])
    assert (status, said["detail"]["error_type"]) == (422, "permission_denied")
    assert evaluate(service, "result = len(rows)", [1]) == (200, {"result": 1})


@pytest.mark.slow
def test_the_cells_of_the_notebook_show_results_and_what_tasks_print(sandbox):
    (shown,) = blocks(INTEGRATE, "Jupyter")
    printing = (
        "import capsule\ncapsule.run_sync('sandbox.py', args=['print(\"seen\")\\nresult = 1', []]).result"
    )
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(shown), nbformat.v4.new_code_cell(printing)]
    )
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(sandbox.root)}}
    ).execute()
    awaited, ran = (cell.outputs for cell in notebook.cells)
    assert [output["data"]["text/plain"] for output in awaited if "data" in output] == ["3"]
    assert [output["data"]["text/plain"] for output in ran if "data" in output] == ["1"]
    assert "".join(output.text for output in ran if output.output_type == "stream") == "seen\n"
