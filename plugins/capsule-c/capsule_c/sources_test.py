import pytest

from capsule.errors import BuildError
from capsule.frontend.tracking import Tracker
from capsule_c import sources
from capsule_c.frontend import CFrontend
from capsule_c.sources import read_program


def read(project, files, name="main.c"):
    project.write(files)
    return read_program(project.root / name, project.root)


def refused(project, text, *says, files=None, line=1, name="main.c"):
    with pytest.raises(BuildError) as caught:
        read(project, {name: text, **(files or {})}, name)
    assert str(caught.value.location) == f"{name}:{line}"
    for words in says:
        assert words in str(caught.value)


def test_a_program_is_its_sources_and_all_that_they_include(project):
    program = read(
        project,
        {
            "src/main.c": '// capsule: sources = ["lib/*.c", "lib/*.c"]\n// capsule: include = ["inc"]\n'
            '#include <capsule.h>\n#include <deep/far.h>\n#include "near.h"\n#embed "data.bin"\n',
            "src/near.h": '#include "../top.h"\n',
            "top.h": '#include "top.h"\n',
            "src/inc/deep/far.h": "",
            "src/lib/a.c": '#include "own.h"\n',
            "src/lib/own.h": "",
            "src/data.bin": b'#include "/etc/passwd"',
            "src/other.c": "",
        },
        "src/main.c",
    )
    assert program.sources == ("src/main.c", "src/lib/a.c")
    assert program.include == ("src/inc",)
    assert list(program.files) == sorted(
        [
            "src/main.c",
            "src/near.h",
            "top.h",
            "src/inc/deep/far.h",
            "src/lib/a.c",
            "src/lib/own.h",
            "src/data.bin",
        ]
    )


def test_both_branches_of_a_conditional_count(project):
    program = read(
        project, {"main.c": '#if 0\n#include "a.h"\n#else\n#include "b.h"\n#endif\n', "a.h": "", "b.h": ""}
    )
    assert set(program.files) == {"main.c", "a.h", "b.h"}


def test_a_header_that_the_project_lacks_is_left_to_the_toolchain(project):
    assert set(read(project, {"main.c": '#include <stdio.h>\n#include "stdlib.h"\n'}).files) == {"main.c"}


@pytest.mark.parametrize("word", ["include", "embed", "import", "include_next"])
@pytest.mark.parametrize(
    "path", ['"/etc/passwd"', "</etc/passwd>", '"../secret.h"', '"a/../../secret.h"', '"C:/x"', '"~/x"']
)
def test_nothing_outside_the_project_is_included(project, word, path):
    refused(project, f"\n#{word} {path}\n", "project", line=2)


def test_a_header_with_dots_is_refused(project):
    refused(project, "#include <../../../etc/passwd>", "..")


@pytest.mark.parametrize("text", ["#include NAME", "#embed NAME limit(2)", '#include L"x.h"'])
def test_what_is_included_has_to_be_written_out(project, text):
    refused(project, text, "written out")


def test_links_out_of_the_project_are_refused(project, tmp_path):
    (tmp_path / "secret.h").write_text("int secret;")
    (project.root / "link.h").symlink_to(tmp_path / "secret.h")
    refused(project, '#include "link.h"', "link that leaves the project")
    (project.root / "folder").symlink_to(tmp_path)
    refused(project, '#include "folder/secret.h"', "link that leaves the project")


def test_links_inside_the_project_are_followed(project):
    project.write({"real.h": "int a;"})
    (project.root / "link.h").symlink_to("real.h")
    assert read(project, {"main.c": '#include "link.h"'}).files["link.h"] == b"int a;"


def test_sources_through_a_link_out_of_the_project_are_refused(project, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.c").write_text("")
    (project.root / "lib").symlink_to(tmp_path / "out")
    refused(project, '// capsule: sources = ["lib/x.c"]', "link that leaves the project", name="main.c")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("// capsule: sources = lib", "TOML"),
        ('// capsule: source = ["a"]', "has no 'source'"),
        ('// capsule: sources = "a.c"', "not a list"),
        ('// capsule: sources = ["/etc/*.c"]', "not below"),
        ('// capsule: include = ["../x"]', "not below"),
        ('// capsule: sources = ["no/*.c"]', "no source matches no/*.c"),
    ],
)
def test_settings_that_are_wrong_are_named_with_their_line(project, line, says):
    refused(project, f"\n{line}\n", says, line=2)


def test_a_program_that_is_too_large_is_refused(project, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_SOURCE", 100)
    refused(project, '#include "big.h"', "larger", files={"big.h": "x" * 101})
    monkeypatch.setattr(sources, "MOST_FILES", 1)
    refused(project, '#include "b.h"', "more than 1 files", files={"b.h": ""})


@pytest.mark.parametrize("name", ["@options.c", "-o.c"])
def test_a_name_that_the_compiler_takes_for_something_else_is_refused(project, name):
    with pytest.raises(BuildError, match="begins with"):
        read(project, {name: ""}, name)
    refused(project, '// capsule: sources = ["*.c"]', "begins with", files={name: ""})


def test_a_folder_and_a_device_are_no_files(project):
    (project.root / "folder.c").mkdir()
    refused(project, '// capsule: sources = ["folder.c"]', "not a file")


def test_what_could_change_the_files_is_told(project, host):
    text = '// capsule: sources = ["lib/*.c"]\n#include "stdio.h"\n'
    project.write({"src/main.c": text, "src/lib/a.c": '#include "b.h"'})
    frontend, source = CFrontend(), project.source("src/main.c")
    assert isinstance(frontend, Tracker)
    found = frontend.lookups(source, frontend.inputs(source, host), host)
    missed = {str(project.root / name) for name in ("src/stdio.h", "src/lib/b.h")}
    assert found.places == dict.fromkeys(missed, "absent")
    assert found.folders == {str(project.root / "src/lib"): (project.root / "src/lib").stat().st_mtime_ns}


def test_sources_that_are_searched_for_are_looked_up_every_time(project, host):
    project.write({"main.c": '// capsule: sources = ["**/*.c"]', "a/b.c": ""})
    frontend, source = CFrontend(), project.source()
    assert frontend.lookups(source, frontend.inputs(source, host), host) is None
