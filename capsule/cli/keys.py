"""``capsule keys``: making keys for signing, and telling them apart."""

from __future__ import annotations

from pathlib import Path

from capsule.cli.common.exits import EXIT_OK
from capsule.cli.common.render import write_line
from capsule.errors import UsageError

PRIVATE_SUFFIX, PUBLIC_SUFFIX = ".key", ".pub"


def new_pair(name: str) -> int:
    """Makes ``NAME.key`` and ``NAME.pub``. Raises `UsageError`; an existing file is never touched."""
    from capsule.artifact.signing import new_keys

    if not Path(name).name or "\0" in name or name.endswith("/"):
        raise UsageError(f"{name!r} is not a name for keys", hint="capsule keys new release")
    private, public = Path(name + PRIVATE_SUFFIX), Path(name + PUBLIC_SUFFIX)
    key_id = new_keys(private, public)
    write_line(f"key {key_id}")
    write_line(f"  {private}  private: keep it out of version control, and out of reach of tasks")
    write_line(f"  {public}  public: give it to those who run what you sign")
    write_line(f"sign:    capsule build FILE --export --sign {private}")
    write_line(f"require: capsule exec FILE.wasm --require-signature {public}")
    return EXIT_OK


def show_ids(file: Path) -> int:
    """Writes the id of each key in a file, one a line. Raises `UsageError`."""
    from capsule.artifact.signing import holds_private_key, read_public_keys, read_signing_key

    ids = [read_signing_key(file).key_id] if holds_private_key(file) else list(read_public_keys(file))
    for key_id in ids:
        write_line(key_id)
    return EXIT_OK
