"""Whether a component offers what the contract asks of it, and asks for no more than the host offers."""

from __future__ import annotations

from capsule.errors import ArtifactError


def check_exports(component: object, name: str, *, needs_load: bool) -> None:
    """Raises `ArtifactError`, naming them, when a component's imports or exports are not the contract's."""
    from capsule.runtime.engine import engine
    from capsule.runtime.export_types import wrong_exports
    from capsule.runtime.imports import OFFERED, is_wasi, why_not
    from capsule.runtime.linker import CONTRACT, CONTRACT_VERSION, INTERFACES

    kind = component.type  # type: ignore[attr-defined]
    known = {f"{CONTRACT}/{interface}@{CONTRACT_VERSION}" for interface in INTERFACES}
    unknown = [
        why_not(imported)
        for imported in kind.imports(engine())
        if imported not in known and not is_wasi(imported)
    ]
    if unknown:
        raise ArtifactError(
            f"{name} imports what this host does not offer: {', '.join(sorted(unknown)[:10])}",
            hint=f"capsule offers {OFFERED}, and the interfaces of capsule:runtime@1.0.0",
        )
    exports = kind.exports(engine())
    missing = [export for export in ("run", *(("load",) if needs_load else ())) if export not in exports]
    if missing:
        raise ArtifactError(
            f"{name} does not export {' and '.join(missing)}, as the world capsule:runtime/task has it"
        )
    wrong = wrong_exports(exports)
    if wrong:
        raise ArtifactError(
            f"{name} {'; and '.join(wrong)}", hint="build it against the contract in .capsule/wit"
        )
