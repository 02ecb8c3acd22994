"""A cache that a team shares: entries elsewhere, signed with a key that only the team has.

Import this only when a remote is used: the back ends are loaded on first use.
"""

from capsule_cache.remote.remote import Counts, Mode, Remote
from capsule_cache.remote.shared_key import BadKey, SharedKey, read_key_file
from capsule_cache.remote.transport import Transport, open_transport
from capsule_cache.remote.url import BadUrl, RemoteUrl, parse_url

__all__ = [
    "BadKey",
    "BadUrl",
    "Counts",
    "Mode",
    "Remote",
    "RemoteUrl",
    "SharedKey",
    "Transport",
    "open_transport",
    "parse_url",
    "read_key_file",
]
