"""HTTP from inside a task, and what an allow-list refuses.

$ capsule run fetch.py https://example.com/

(Not called http.py: beside the other examples, that would hide the standard library's module.)
"""

from urllib.request import urlopen

from capsule import task
from capsule.http import PermissionDenied, get


@task(name="locked", compute="LOW", allowed_hosts=["api.example.com", "*.example.org"])
def locked(url: str) -> str:
    """May reach two places, whatever it is asked for."""
    try:
        return f"answered {get(url, timeout=10).status_code}"
    except PermissionDenied as error:
        return f"denied: {error}"


# "*" is the public internet. A host on this machine or its network has to be named.
@task(name="main", timeout="30s", allowed_hosts=["*", "localhost", "127.0.0.1"])
def main(url: str) -> dict:
    response = get(url, timeout=10)
    response.raise_for_status()
    with urlopen(url, timeout=10) as answer:  # the standard library goes the same way
        also = len(answer.read())
    return {
        "status": response.status_code,
        "type": response.headers.get("Content-Type"),
        "bytes": len(response.content),
        "bytes_with_urllib": also,
        "locked": locked(url).unwrap(),
    }
