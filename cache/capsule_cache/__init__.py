"""A content-addressed store for build artifacts, over a folder."""

from capsule_cache.build_lock import Owner
from capsule_cache.errors import BuildTimeout, StoreError, StoreReadOnly
from capsule_cache.inventory import Item, Pruned, Stat
from capsule_cache.key import Key, Option, derive_digest, derive_key
from capsule_cache.secret import user_secret
from capsule_cache.store import Entry, Store, Verify

__all__ = [
    "BuildTimeout",
    "Entry",
    "Item",
    "Key",
    "Option",
    "Owner",
    "Pruned",
    "Stat",
    "Store",
    "StoreError",
    "StoreReadOnly",
    "Verify",
    "derive_digest",
    "derive_key",
    "user_secret",
]
