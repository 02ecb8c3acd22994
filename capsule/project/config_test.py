import hashlib
import os
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from capsule.errors import ConfigError, Location, UsageError
from capsule.policy.limits import Limits
from capsule.policy.model import FileGrant
from capsule.policy.options import OPTIONS
from capsule.policy.resolve import DefaultValue
from capsule.project.config import MAX_BYTES, Config, Workflow, _locator, _parse, find_root, load_config


def load(root: Path, text: str | bytes, *known: str) -> Config:
    file = root / "capsule.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_config(file, root, known)


def refused(root: Path, text: str | bytes, *known: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(root, text, *known)
    return caught.value


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "project"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "src" / "main.py").touch()
    return root


def test_the_root_is_the_folder_of_the_nearest_file_upwards(project: Path) -> None:
    (project / "capsule.toml").touch()
    (project.parent / "capsule.toml").touch()
    found = (project, project / "capsule.toml")
    assert find_root(project / "src" / "main.py", Path("/")) == found
    assert find_root(project / "src" / "deep" / "missing.py", Path("/")) == found
    assert find_root(Path("main.py"), project / "src") == found
    assert find_root(project / "src", Path("/")) == found
    assert find_root(project, project) == found


def test_without_a_file_the_root_is_the_working_folder_if_the_source_lies_in_it(project: Path) -> None:
    source = project / "src" / "main.py"
    assert find_root(source, project) == (project, None)
    assert find_root(source, project / "src") == (project / "src", None)
    assert find_root(source, project / "src" / "deep") == (project / "src", None)
    assert find_root(Path("../main.py"), project / "src" / "deep") == (project / "src", None)


def test_a_folder_whose_name_begins_with_the_working_folders_is_not_in_it(project: Path) -> None:
    (project / "src2").mkdir()
    assert find_root(project / "src2" / "main.py", project / "src") == (project / "src2", None)


def test_a_folder_named_like_the_file_does_not_count_and_anything_else_does(project: Path) -> None:
    (project / "capsule.toml").touch()
    (project / "src" / "capsule.toml").mkdir()
    assert find_root(project / "src" / "deep" / "x.py", project) == (project, project / "capsule.toml")
    # Ceilings may have been meant: what can't be read is not passed over.
    link = project / "src" / "deep" / "capsule.toml"
    link.symlink_to("nowhere")
    assert find_root(project / "src" / "deep" / "x.py", project) == (link.parent, link)
    with pytest.raises(ConfigError, match="a symbolic link that leads nowhere"):
        load_config(link, link.parent)


def test_symbolic_links_in_source_and_working_folder_lead_to_the_same_root(project: Path) -> None:
    alias = project.parent / "alias"
    alias.symlink_to("project")
    (project.parent / "link.py").symlink_to("project/src/main.py")
    for source in (alias / "src" / "main.py", project.parent / "link.py", project / "src" / "main.py"):
        for cwd in (alias, project):
            assert find_root(source, cwd) == (project, None)
    (project / "capsule.toml").touch()
    assert find_root(project.parent / "link.py", project.parent) == (project, project / "capsule.toml")


def test_a_link_that_leads_to_itself_and_a_name_with_nul_end_as_something_to_tell(project: Path) -> None:
    (project / "loop.py").symlink_to("loop.py")
    assert find_root(project / "loop.py", project) == (project, None)
    with pytest.raises(UsageError):
        find_root(Path("a\0b"), project)


def test_without_a_file_everything_is_built_in(project: Path) -> None:
    assert load_config(None, project) == Config(project, None, Workflow(), {}, Limits(), {}, "")


def test_the_guides_example_is_read(project: Path) -> None:
    text = """\
# capsule.toml
[workflow]
name = "My AI Workflow"
version = "1.0.0"
entrypoint = "src/main.py" # Default file when running `capsule run`
[tasks]
default_compute = "MEDIUM"
default_ram = "256MB"
default_timeout = "30s"
default_max_retries = 2
"""
    config = load(project, text)
    assert config.workflow == Workflow("My AI Workflow", "1.0.0", "src/main.py")
    assert config.defaults == {
        "compute": DefaultValue(50_000_000_000, "capsule.toml default_compute"),
        "ram": DefaultValue(256 * 1024 * 1024, "capsule.toml default_ram"),
        "timeout": DefaultValue(30.0, "capsule.toml default_timeout"),
        "max_retries": DefaultValue(2, "capsule.toml default_max_retries"),
    }
    assert (config.root, config.file) == (project, project / "capsule.toml")
    assert config.digest == hashlib.sha256(text.encode()).hexdigest()


def test_every_option_but_the_name_can_have_a_default(project: Path) -> None:
    values = [
        '"LOW"',
        '"unlimited"',
        '"5s"',
        "1",
        '[{path = "in", mode = "ro"}, "out"]',
        '["a.com"]',
        '["A"]',
        '["S"]',
        '["f"]',
    ]
    lines = [f"default_{option} = {value}" for option, value in zip(OPTIONS, values, strict=True)]
    defaults = load(project, "[tasks]\n" + "\n".join(lines)).defaults
    assert defaults.keys() == set(OPTIONS)
    assert defaults["allowed_files"].value == (FileGrant("in", False), FileGrant("out", True))
    assert defaults["ram"].value is None
    assert refused(project, '[tasks]\ndefault_name = "x"').location == Location("capsule.toml", 2)


def test_limits_are_read_and_know_their_line(project: Path) -> None:
    limits = load(
        project, '[tasks]\n\n[limits]\n# a\nram = "1GB"\nallowed_hosts = [\n "a.com",\n]\ndepth = 3\n'
    ).limits
    assert (limits.ram, limits.allowed_hosts, limits.depth) == (1024**3, ("a.com",), 3)
    assert limits.origin("ram") == "[limits] ram (capsule.toml:5)"
    assert limits.origin("depth") == "[limits] depth (capsule.toml:9)"


def test_tables_of_frontends_are_passed_on_as_plain_values(project: Path) -> None:
    text = '[python]\ndependencies = ["x"]\n[python.a.b]\nc = 1.5\n[javascript]\n[mylang]\nok = true\n'
    tables = load(project, text, "mylang").tables
    assert tables == {
        "python": {"dependencies": ["x"], "a": {"b": {"c": 1.5}}},
        "javascript": {},
        "mylang": {"ok": True},
    }
    plain: Any = tables["python"]
    assert [type(plain), type(plain["dependencies"]), type(plain["dependencies"][0])] == [dict, list, str]
    assert type(plain["a"]["b"]["c"]) is float


@pytest.mark.parametrize(
    ("text", "line", "near"),
    [
        ("[worklfow]\n", 1, "workflow"),
        ("\n[mylang]\n", 2, "valid names"),
        ("tasks = 1\n", 1, "[tasks]"),
        ("ram = 1\n", 1, "valid names"),
        ('[workflow]\nname = "x"\nentry_point = "x"\n', 3, "entrypoint"),
        ("[tasks]\ndefault_timout = 1\n", 2, "default_timeout"),
        ("[tasks]\nram = 1\n", 2, "default_ram"),
        ('[limits]\n\nrma = "1GB"\n', 3, "ram"),
        ('limits.rma = "1GB"\n', 1, "ram"),
        ('["limits"]\n"rma" = "1GB"\n', 2, "ram"),
        ('# [limits]\nlimits = { rma = "1GB" }\n', 2, "ram"),
    ],
)
def test_an_unknown_key_is_told_with_its_line_and_the_nearest_valid_one(
    project: Path, text: str, line: int, near: str
) -> None:
    error = refused(project, text)
    assert error.location == Location("capsule.toml", line)
    assert near in (error.hint or "")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[tasks]\ndefault_ram = "12XB"', 2),
        ("[tasks]\ndefault_max_retries = true", 2),
        ('[tasks]\ndefault_allowed_files = [\n  "a",\n  "/etc",\n]', 2),
        ("[workflow]\nversion = 1.0", 2),
        ('[workflow]\nname = ""', 2),
        ('[workflow]\nname = "x"\nentrypoint = "../main.py"', 3),
        ('[workflow]\nentrypoint = "/main.py"', 2),
        ('[limits]\ntext = """\n[limits]\nram = 1\n"""\nram = "x"', 2),
        ('[python]\na = """\n""\\"x = 1\n"""\nb = 2020-01-01', 5),
        ("[python]\na = [{b = [07:00:00]}]", 2),
        ("[limits]\non_exceed = 1979-05-27T07:32:00Z", 2),
        ("[[limits]]\nram = 1", 1),
    ],
)
def test_a_bad_value_is_told_with_its_line(project: Path, text: str, line: int) -> None:
    error = refused(project, text)
    assert error.location == Location("capsule.toml", line)
    assert error.hint


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[tasks]\ndefault_ram = 256MB\n", 2),
        ("[tasks]\n\ndefault_ram = \n", 3),
        ("[tasks\n", 1),
        ("[tasks]\n[tasks]\n", 2),
        ("a = 1\na = 2\n", 2),
        ('a = "\n', 1),
        (b"a = 1\nb = \xff\n", 2),
        ("a = " + "[" * 10_000, 1),
    ],
)
def test_bad_syntax_is_told_with_its_line(project: Path, text: str | bytes, line: int) -> None:
    error = refused(project, text)
    assert error.location is not None
    assert error.location.file == "capsule.toml"
    assert error.location.line in (line, line + 1)
    assert error.hint
    assert "\\x00" not in error.message


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(project: Path) -> None:
    limits = load(project, b'\xef\xbb\xbf[limits]\r\n\r\nram = "1GB"\r\n').limits
    assert limits.origin("ram") == "[limits] ram (capsule.toml:3)"


def test_a_file_that_is_too_large_or_can_not_be_read_is_told(project: Path) -> None:
    assert "larger" in refused(project, b"#" * (MAX_BYTES + 1)).message
    for name, problem in (("missing.toml", "can't be read"), ("src", "not a file")):
        with pytest.raises(ConfigError, match=problem):
            load_config(project / name, project)


def test_nothing_heavy_is_imported_before_a_file_is_read(project: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from capsule.project.config import find_root, load_config\n"
        "root, file = find_root(Path('main.py'), Path(sys.argv[1])); load_config(file, root)\n"
        "heavy = {'tomlkit', 'tomllib', 'difflib', 'hashlib', 'json', 'pluggy', 'dotenv'}\n"
        "assert file is None and not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, os.fspath(project / "src")], check=True)


bare = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=6)
keys = bare | st.text(string.ascii_letters + " .=[]#{}'", max_size=6).map(lambda text: f'"{text}"')
values = st.sampled_from(
    [
        '"x"',
        "'[a]'",
        '"#"',
        '"""\na = 1\n"""',
        "'''\n]\n'''",
        '""""x"""""',
        "[\n1, # ]\n2]",
        "{ q = '}' }",
        "3.14",
        '"\\""',
        '""',
        "''",
        "2020-01-01",
        "true",
        '["""\n""", {z = "\\\\"}]',
    ]
)


@settings(deadline=None)
@given(st.lists(st.tuples(keys, values), max_size=6, unique_by=lambda pair: pair[0].strip('"')))
@example([("a", '"""\n\\"""\n"""')])
def test_the_line_of_every_key_is_found_whatever_stands_before_it(pairs: list[tuple[str, str]]) -> None:
    text = "# a = 1\n['t' . \"u\"] # [x]\n"
    expected = {}
    for key, value in pairs:
        expected[key.strip('"')] = text.count("\n") + 1
        text += f"{key} = {value} # {key} =\n\n"
    parsed = _parse(text, "capsule.toml")
    locate = _locator(text, "capsule.toml")
    assert parsed["t"]["u"].keys() == expected.keys()
    for key, line in expected.items():
        assert locate("t", "u", key).line == line
        assert locate("t", "u", key, "below").line == line


fragments = st.lists(
    st.sampled_from(
        ["[limits]\n", "[tasks]\n", "[python]\n", "ram=", "default_ram=", "a.b=", '"1GB"', "[", "]", "{"]
    )
    | st.sampled_from(
        ["}", '"', '"""', "'", "'''", "\n", "#", ",", "=", ".", "1", "1979-05-27", "\\", "\x00", "é"]
    ),
    max_size=12,
).map("".join)


@settings(deadline=None)
@given(st.binary(max_size=40) | fragments.map(str.encode) | st.text(max_size=40).map(str.encode))
def test_any_content_gives_a_config_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    root = tmp_path_factory.getbasetemp()
    file = root / "any.toml"
    file.write_bytes(data)
    try:
        config = load_config(file, root)
    except ConfigError as error:
        place = error.location
    else:
        place = Location(file.name)
        assert config.digest
    assert place is not None
    assert place.file == file.name
