"""A build that asks the shared cache first, and shares what it built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.project.remote_cache import CacheSettings

if TYPE_CHECKING:
    from capsule_cache.remote import Remote


def project_remote_if_any(settings: CacheSettings, root: Path | None) -> Remote | None:
    """`project_remote` of the session beside this; where nobody names a remote, nothing is loaded for it."""
    if settings.with_environment().remote is None:
        return None
    from capsule.build.remote.session import project_remote

    return project_remote(settings, root)


class Shared:
    """A build function for `capsule_cache.Store.get_or_build`; ``fetched`` says whether it built.

    ``inputs`` gives the SHA-256 of what decides the result, and is asked only when there is a remote;
    ``accept`` says whether fetched bytes are such a result at all.
    """

    def __init__(
        self,
        remote: Remote | None,
        inputs: Callable[[], str],
        build: Callable[[], bytes],
        accept: Callable[[bytes], bool],
    ) -> None:
        self.fetched = False
        self._remote = remote
        self._inputs = inputs
        self._build = build
        self._accept = accept

    def __call__(self) -> bytes:
        """The bytes, fetched or built. Raises what building raises."""
        if self._remote is None:
            return self._build()
        inputs = self._inputs()
        data = self._remote.fetch(inputs, self._accept)
        self.fetched = data is not None
        if data is None:
            data = self._build()
            self._remote.offer(inputs, data)
        return data
