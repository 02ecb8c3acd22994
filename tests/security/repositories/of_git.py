"""Traps for git, which `--affected` asks."""

from __future__ import annotations

from repositories.making import Repository, trap


@trap("affected", "stat")
def filters_and_attributes(made: Repository) -> None:
    """Filters that run on every file that git compares."""
    made.write(".gitattributes", "* filter=evil diff=evil merge=evil textconv=evil\n")
    made.workspace()
    evil = made.script(".git/evil")
    for key in ("clean", "smudge", "process"):
        made.git("config", f"filter.evil.{key}", str(evil))
    for key in ("diff.evil.textconv", "diff.evil.command", "diff.external", "merge.evil.driver"):
        made.git("config", key, str(evil))


@trap("affected")
def monitors_and_hooks(made: Repository) -> None:
    """A monitor of files, and every hook that there is."""
    made.workspace()
    evil = made.script(".git/evil")
    made.git("config", "core.fsmonitor", str(evil))
    for name in (
        "post-index-change",
        "post-checkout",
        "pre-commit",
        "fsmonitor-watchman",
        "reference-transaction",
    ):
        made.script(f".git/hooks/{name}")


@trap("affected")
def programs_that_git_starts(made: Repository) -> None:
    """Pagers, editors, helpers for credentials, programs for signatures, aliases."""
    made.workspace()
    evil = made.script(".git/evil")
    keys = ("core.pager", "core.editor", "core.sshCommand", "core.askPass", "core.gitProxy", "gpg.program")
    for key in (
        *keys,
        "pager.diff",
        "sequence.editor",
        "interactive.diffFilter",
        "uploadpack.packObjectsHook",
    ):
        made.git("config", key, str(evil))
    for key in ("credential.helper", "alias.diff", "alias.status", "alias.ls-files"):
        made.git("config", key, f"!{evil}")


@trap("affected")
def settings_in_other_files(made: Repository) -> None:
    """Includes, by a condition and without, of the repository's files and of the operator's."""
    made.workspace()
    evil = made.script(".git/evil")
    made.write("more", f"[core]\n\tfsmonitor = {evil}\n\tattributesFile = {made.operator.home}/.netrc\n")
    made.git("config", "extensions.worktreeConfig", "true")
    with (made.root / ".git/config").open("a") as settings:
        for line in ("[include]", f'[includeIf "gitdir:{made.root}/"]'):
            settings.write(f"{line}\n\tpath = ../more\n\tpath = {made.operator.home}/.netrc\n")
    made.write(".git/config.worktree", f"[core]\n\tfsmonitor = {evil}\n")


@trap("affected")
def a_repository_whose_objects_are_elsewhere(made: Repository) -> None:
    """A promisor remote that is a command, and one that is a server."""
    made.workspace()
    evil = made.script(".git/evil")
    for key, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"{made.operator.recorder.address}/${{GITHUB_TOKEN}}.git",
        "remote.origin.uploadpack": str(evil),
        "core.sshCommand": str(evil),
    }.items():
        made.git("config", key, value)
    for folder in (made.root / ".git/objects").glob("??"):
        for file in folder.iterdir():
            file.unlink()


@trap("affected")
def a_submodule_of_a_command(made: Repository) -> None:
    """A submodule whose address and update are commands, with a repository of its own that has filters."""
    evil = made.script("evil")
    made.write(
        ".gitmodules",
        f'[submodule "sub"]\n\tpath = sub\n\turl = ext::{evil}\n\tupdate = !{evil}\n\tignore = none\n',
    )
    made.workspace()
    made.write("sub/main.wat", "(component)")
    made.git("init", "-q", cwd=made.root / "sub")
    made.git("config", "core.fsmonitor", str(evil), cwd=made.root / "sub")
    made.git("config", "submodule.recurse", "true")


@trap("affected", looks=(".ssh",))
def a_git_folder_that_is_elsewhere(made: Repository) -> None:
    """`.git` is a file that names a folder outside, and links lead to files of the operator's."""
    made.workspace()
    (made.root / ".git").rename(made.root / "kept")
    made.write(".git", f"gitdir: {made.operator.home}/.ssh\n")


@trap("affected")
def a_git_folder_of_links(made: Repository) -> None:
    """Files of `.git` are links to files of the operator's."""
    made.workspace()
    for name in ("HEAD", "config", "packed-refs", "info/exclude"):
        made.link(f".git/{name}", made.operator.home / ".aws/credentials")


@trap("affected")
def a_git_folder_of_pipes(made: Repository) -> None:
    """Reading one of them would wait for ever."""
    made.workspace()
    for name in ("index", "packed-refs", "config"):
        made.pipe(f".git/{name}")


@trap("affected", "stat")
def names_with_line_breaks_and_escapes(made: Repository) -> None:
    """Names of files that would be lines, options or escapes of a terminal."""
    made.workspace()
    for name in (
        "a\nerror: forged",
        "\x1b]0;title\x07\x1b[2J",
        "--upload-pack=evil",
        "\udcff",
        "one/\r\nmain.wat",
    ):
        (made.root / name).parent.mkdir(exist_ok=True)
        (made.root / name).write_text("x")
