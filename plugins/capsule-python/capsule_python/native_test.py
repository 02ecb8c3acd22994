import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_python.native import is_native, module_name, needed_native_file

TAG = ".cpython-314-x86_64-linux-gnu.so"


def needed(sources: dict[str, str], *natives: str, name: str = "pkg") -> str | None:
    encoded = {path: text.encode() for path, text in sources.items()}
    return needed_native_file(name, encoded, [native + TAG for native in natives])


GUARDED = "try:\n    from ._fast import f\nexcept ImportError:\n    from ._slow import f"


@pytest.mark.parametrize(
    ("sources", "natives"),
    [
        ({"pkg/__init__.py": GUARDED, "pkg/_slow.py": ""}, ["pkg/_fast"]),
        ({"pkg/__init__.py": "from . import fast", "pkg/fast.py": ""}, ["pkg/fast"]),
        ({"pkg/__init__.py": "", "pkg/fast.py": ""}, ["pkg/fast", "81d24__mypyc"]),
        (
            {"pkg/__init__.py": "with contextlib.suppress(ImportError):\n    from . import _fast"},
            ["pkg/_fast"],
        ),
        (
            {
                "pkg/__init__.py": "try:\n    from .cpkg import *\nexcept ImportError:\n    OK = False",
                "pkg/cpkg.py": "from pkg._fast import Parser",
                "_pkg/__init__.py": "import pkg\nif pkg.OK:\n    from pkg._fast import *",
            },
            ["pkg/_fast"],
        ),
        (
            {
                "pkg/_compat.py": "try:\n    from . import _fast\nexcept ImportError:\n    USE = False",
                "pkg/__init__.py": "from ._compat import USE\nif USE:\n    from ._fast import f",
            },
            ["pkg/_fast"],
        ),
        (
            {
                "pkg/__init__.py": "if TYPE_CHECKING:\n    from ._fast import T",
                "pkg/tests/a.py": "from pkg import _fast",
            },
            ["pkg/_fast"],
        ),
    ],
)
def test_native_modules_with_a_fallback_are_not_needed(sources: dict[str, str], natives: list[str]) -> None:
    assert needed(sources, *natives) is None


@pytest.mark.parametrize(
    ("sources", "native"),
    [
        ({"pkg/__init__.py": "from ._fast import f"}, "pkg/_fast"),
        ({"pkg/__init__.py": "from . import core", "pkg/core.py": "import pkg._fast"}, "pkg/_fast"),
        ({"pkg/__init__.py": GUARDED.replace("from ._slow import f", "raise")}, "pkg/_fast"),
        ({"pkg/__init__.py": "", "pkg/public.py": "from ._fast import f"}, "pkg/_fast"),
        ({"pkg/__init__.py": ""}, "pkg/etree"),
        ({}, "ujson"),
        (
            {
                "pkg/__init__.py": "from ._fast import f\nfrom . import schema",
                "pkg/schema.py": "try:\n    import pkg\nexcept ImportError:\n    pass",
            },
            "pkg/_fast",
        ),
    ],
)
def test_native_modules_that_something_cannot_do_without_are_named(
    sources: dict[str, str], native: str
) -> None:
    assert needed(sources, native) == native + TAG


def test_a_library_that_is_loaded_by_its_path_is_needed() -> None:
    assert needed_native_file("pkg", {"pkg/__init__.py": b""}, ["pkg/_libpkg.so"]) == "pkg/_libpkg.so"


def test_many_native_modules_are_needed_without_a_closer_look() -> None:
    sources = {"pkg/__init__.py": GUARDED}
    assert needed(sources, *(f"pkg/_m{number}" for number in range(20))) is not None


def test_known_distributions_do_without() -> None:
    assert needed({"sqlalchemy/__init__.py": ""}, "sqlalchemy/cyextension/util", name="sqlalchemy") is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.py", ("a.b", False)),
        ("a/__init__.py", ("a", True)),
        ("a.py", ("a", False)),
        (f"a/b{TAG}", ("a.b", False)),
        ("a/b.abi3.so", ("a.b", False)),
        ("a/b.so", ("a.b", False)),
        ("a/b-1_0.py", ("a.b-1_0", False)),
        ("a/b.c.py", None),
        ("a/b.txt", None),
        ("a/{{ name }}/b.py", None),
        ("a-1.0.dist-info/x.py", None),
    ],
)
def test_files_are_told_to_be_modules(path: str, expected: tuple[str, bool] | None) -> None:
    assert module_name(path) == expected


def test_native_files_are_known_by_their_names() -> None:
    assert all(
        map(is_native, [f"a/b{TAG}", "a/b.so", "a.libs/libz.so.1.2", "a/b.pyd", "a/b.dylib", "a/b.dll"])
    )
    assert not any(map(is_native, ["a/b.py", "a/so", "a/b.so.txt", "a/solver.json"]))


@given(st.dictionaries(st.text(), st.binary(), max_size=4), st.lists(st.text(), max_size=4))
def test_any_wheel_is_judged(sources: dict[str, bytes], natives: list[str]) -> None:
    needed_native_file("pkg", sources, natives)
