"""The names of the files in a store."""

from __future__ import annotations

from capsule_cache.key import is_key

SEAL = ".seal"
LOCK = ".lock"
TEMPORARY = ".tmp"
TEMPORARY_PREFIX = ".capsule-"

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
_SUFFIX_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_LONGEST_NAME = 64
_LONGEST_SUFFIX = 16


def payload_name(name: str, key: str, suffix: str) -> str:
    """The file that holds an entry: ``<name>_<key><suffix>``.

    ``name`` may be anything and loses what could not stand in a file name; ``key`` and ``suffix`` are
    the program's own, and raise `ValueError` when they are malformed.
    """
    if not is_key(key):
        raise ValueError(f"not a key: {key!r:.80}")
    if not _is_suffix(suffix):
        raise ValueError(f"not a suffix for an entry: {suffix!r:.80}")
    tame = "".join(letter if letter in _LETTERS else "_" for letter in name[:_LONGEST_NAME])
    # A leading dot would hide the file, a leading dash would make it an option of somebody's command.
    return f"{tame.lstrip('.-') or '_'}_{key}{suffix}"


def key_of(payload: str) -> str | None:
    """The key in a payload's file name; None when no entry has such a name."""
    name, _, rest = payload.rpartition("_")
    key, suffix = rest[:32], rest[32:]
    if not is_key(key) or not _is_suffix(suffix):
        return None
    tame = 0 < len(name) <= _LONGEST_NAME and name[0] not in ".-" and _LETTERS.issuperset(name)
    return key if tame else None


def is_temporary(file: str) -> bool:
    """Whether this is the name of a file that was being written."""
    return file.startswith(TEMPORARY_PREFIX) and file.endswith(TEMPORARY)


def _is_suffix(suffix: str) -> bool:
    return (
        1 < len(suffix) <= _LONGEST_SUFFIX
        and suffix[0] == "."
        and _SUFFIX_LETTERS.issuperset(suffix[1:])
        and suffix not in (SEAL, LOCK, TEMPORARY)
    )
