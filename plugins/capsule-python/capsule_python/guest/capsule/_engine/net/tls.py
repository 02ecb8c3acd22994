"""The stand-in for ``ssl``. The host does TLS, and always verifies: nothing here can turn that off."""

from __future__ import annotations

import enum
import errno
import types
from collections.abc import Callable
from typing import Any, NoReturn

from .exchange import TLS_MARKER
from .sockets import Socket


class SSLError(OSError):
    """A TLS error. The host reports its own as failed connections."""

    library: str | None = None
    reason: str | None = None


class SSLZeroReturnError(SSLError):
    """The other side is done."""


class SSLWantReadError(SSLError):
    """More has to be read first."""


class SSLWantWriteError(SSLError):
    """More has to be written first."""


class SSLSyscallError(SSLError):
    """A system error."""


class SSLEOFError(SSLError):
    """The connection ended early."""


class SSLCertVerificationError(SSLError, ValueError):
    """A certificate is not valid."""

    verify_code = 0
    verify_message = ""


class VerifyMode(enum.IntEnum):
    """How certificates are verified; the host always requires them."""

    CERT_NONE = 0
    CERT_OPTIONAL = 1
    CERT_REQUIRED = 2


class TLSVersion(enum.IntEnum):
    """Versions of the protocol."""

    MINIMUM_SUPPORTED = -2
    SSLv3 = 768
    TLSv1 = 769
    TLSv1_1 = 770
    TLSv1_2 = 771
    TLSv1_3 = 772
    MAXIMUM_SUPPORTED = -1


class Options(enum.IntFlag):
    """Options of a context; kept, and without effect."""

    OP_ALL = 0x80000050
    OP_NO_SSLv2 = 0
    OP_NO_SSLv3 = 1 << 25
    OP_NO_TLSv1 = 1 << 26
    OP_NO_TLSv1_2 = 1 << 27
    OP_NO_TLSv1_1 = 1 << 28
    OP_NO_TLSv1_3 = 1 << 29
    OP_NO_COMPRESSION = 1 << 17
    OP_NO_TICKET = 1 << 14
    OP_NO_RENEGOTIATION = 1 << 30
    OP_SINGLE_DH_USE = 0
    OP_SINGLE_ECDH_USE = 0
    OP_CIPHER_SERVER_PREFERENCE = 1 << 22
    OP_ENABLE_MIDDLEBOX_COMPAT = 1 << 20
    OP_IGNORE_UNEXPECTED_EOF = 1 << 7
    OP_LEGACY_SERVER_CONNECT = 1 << 2


class VerifyFlags(enum.IntFlag):
    """Flags of verification; kept, and without effect."""

    VERIFY_DEFAULT = 0
    VERIFY_CRL_CHECK_LEAF = 4
    VERIFY_CRL_CHECK_CHAIN = 12
    VERIFY_X509_STRICT = 32
    VERIFY_X509_TRUSTED_FIRST = 32768
    VERIFY_X509_PARTIAL_CHAIN = 524288


class Protocol(enum.IntEnum):
    """What a context is for."""

    PROTOCOL_TLS = 2
    PROTOCOL_TLSv1 = 3
    PROTOCOL_TLSv1_1 = 4
    PROTOCOL_TLSv1_2 = 5
    PROTOCOL_TLS_CLIENT = 16
    PROTOCOL_TLS_SERVER = 17


class Purpose(enum.Enum):
    """What a certificate is for."""

    SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
    CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


class _Secured:
    """What a secured connection says of itself."""

    server_hostname: str | None = None
    session = None
    session_reused = False

    def version(self) -> str:
        return "TLSv1.3"

    def cipher(self) -> tuple[str, str, int]:
        return "TLS_AES_256_GCM_SHA384", "TLSv1.3", 256

    def shared_ciphers(self) -> list[tuple[str, str, int]]:
        return [self.cipher()]

    def compression(self) -> None:
        return None

    def selected_alpn_protocol(self) -> str:
        # Only HTTP/1.1 is understood here; a client that heard "h2" would speak something else.
        return "http/1.1"

    def selected_npn_protocol(self) -> None:
        return None

    def getpeercert(self, binary_form: bool = False) -> Any:
        # The host has checked it, and does not hand it over.
        return None if binary_form else {}

    def get_channel_binding(self, cb_type: str = "tls-unique") -> None:
        return None


class SSLSocket(_Secured, Socket):
    """A connection whose requests the host makes over TLS."""

    @property
    def _sslobj(self) -> SSLSocket:
        return self

    def __init__(self, plain: Socket, context: SSLContext, server_hostname: str | None) -> None:
        super().__init__(plain.family, plain.type, plain.proto)
        self.exchange = plain.exchange
        self.context = context
        self.server_hostname = server_hostname
        self.settimeout(plain.gettimeout())
        if self.exchange is not None:
            self.exchange.tls = True

    def connect(self, address: Any) -> None:
        """Notes where requests go."""
        super().connect(address)
        assert self.exchange is not None
        self.exchange.tls = True

    def do_handshake(self, block: bool = False) -> None:
        """The host shakes hands when there is a request."""

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        """`recv`."""
        return self.recv(size) if buffer is None else self.recv_into(buffer, size)

    def write(self, data: Any) -> int:
        """`send`."""
        return self.send(data)

    def unwrap(self) -> NoReturn:
        """Refused: a secured connection stays one."""
        raise OSError(errno.EOPNOTSUPP, "a secured connection can't be unwrapped in a sandbox")


class MemoryBIO:
    """Bytes between a protocol and a transport."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.eof = False

    @property
    def pending(self) -> int:
        """How many bytes wait."""
        return len(self._bytes)

    def read(self, size: int = -1) -> bytes:
        """Takes bytes out."""
        count = len(self._bytes) if size < 0 else size
        taken = bytes(self._bytes[:count])
        del self._bytes[:count]
        return taken

    def write(self, data: Any) -> int:
        """Puts bytes in."""
        self._bytes += data
        return len(data)

    def write_eof(self) -> None:
        """No more bytes will come."""
        self.eof = True


class SSLObject(_Secured):
    """TLS between two `MemoryBIO`: a marker instead of a handshake, then the bytes as they are."""

    server_side = False

    def __init__(
        self, incoming: MemoryBIO, outgoing: MemoryBIO, context: SSLContext, server_hostname: str | None
    ) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._greeted = False
        self.context = context
        self.server_hostname = server_hostname

    def do_handshake(self) -> None:
        """Says once that what follows is to go over TLS."""
        if not self._greeted:
            self._greeted = True
            self._outgoing.write(TLS_MARKER)

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        """Bytes of the response. Raises `SSLWantReadError` when there are none yet."""
        data = self._incoming.read(size)
        if not data and size and not self._incoming.eof:
            raise SSLWantReadError(2, "The operation did not complete (read)")
        if buffer is None:
            return data
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        """Sends bytes of a request."""
        self.do_handshake()
        return self._outgoing.write(bytes(data))

    def pending(self) -> int:
        """How many bytes can be read."""
        return self._incoming.pending

    def unwrap(self) -> None:
        """Ends the connection."""


class SSLContext:
    """Settings for connections. All are kept, so that code which reads them back is content."""

    sslsocket_class = SSLSocket
    sslobject_class = SSLObject

    def __init__(self, protocol: int = Protocol.PROTOCOL_TLS) -> None:
        self.protocol = protocol
        self.verify_mode = VerifyMode.CERT_REQUIRED
        self.check_hostname = True
        self.options = Options.OP_ALL
        self.verify_flags = VerifyFlags.VERIFY_X509_TRUSTED_FIRST
        self.minimum_version = TLSVersion.TLSv1_2
        self.maximum_version = TLSVersion.MAXIMUM_SUPPORTED
        self.keylog_filename: str | None = None
        self.post_handshake_auth = False
        self.hostname_checks_common_name = False
        self.sni_callback: Callable[..., object] | None = None
        self.security_level = 2

    def _keep(self, *args: Any, **kwargs: Any) -> None:
        """Without effect: the host has its own trust store and ciphers."""

    load_default_certs = set_default_verify_paths = load_verify_locations = _keep
    set_ciphers = set_alpn_protocols = set_npn_protocols = set_ecdh_curve = load_dh_params = _keep

    def load_cert_chain(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: the host would have to be given the private key."""
        raise SSLError(errno.EOPNOTSUPP, "client certificates can't be used in a sandbox")

    def cert_store_stats(self) -> dict[str, int]:
        """Nothing is known of the host's trust store."""
        return {"x509": 0, "crl": 0, "x509_ca": 0}

    def get_ca_certs(self, binary_form: bool = False) -> list[Any]:
        """Nothing is known of the host's trust store."""
        return []

    def get_ciphers(self) -> list[dict[str, Any]]:
        """Nothing is known of the host's ciphers."""
        return []

    def session_stats(self) -> dict[str, int]:
        """No sessions are kept here."""
        return {}

    def wrap_socket(
        self,
        sock: Socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | None = None,
        session: Any = None,
    ) -> SSLSocket:
        """Secures a connection."""
        if server_side:
            raise SSLError(errno.EOPNOTSUPP, "a sandbox can't serve")
        return SSLSocket(sock, self, server_hostname)

    def wrap_bio(
        self,
        incoming: MemoryBIO,
        outgoing: MemoryBIO,
        server_side: bool = False,
        server_hostname: str | None = None,
        session: Any = None,
    ) -> SSLObject:
        """Secures a pair of byte stores."""
        if server_side:
            raise SSLError(errno.EOPNOTSUPP, "a sandbox can't serve")
        return SSLObject(incoming, outgoing, self, server_hostname)


def create_default_context(
    purpose: Purpose = Purpose.SERVER_AUTH, *, cafile: Any = None, capath: Any = None, cadata: Any = None
) -> SSLContext:
    """A context with the usual settings."""
    return SSLContext(Protocol.PROTOCOL_TLS_CLIENT)


def _create_unverified_context(*args: Any, **kwargs: Any) -> SSLContext:
    context = SSLContext(Protocol.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = VerifyMode.CERT_NONE
    return context


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    raise SSLError(errno.EOPNOTSUPP, "certificates can't be fetched or read in a sandbox")


def module() -> types.ModuleType:
    """The stand-in as a module to be found under the name ``ssl``."""
    made = types.ModuleType("ssl", "TLS, done by the host.")
    names: dict[str, Any] = {
        name: value
        for name, value in globals().items()
        if isinstance(value, type) and value.__module__ == __name__ and not name.startswith("_")
    }
    for kind in names.values():
        kind.__module__ = "ssl"
    names["_SSLMethod"] = names.pop("Protocol")
    for kind in (VerifyMode, Options, VerifyFlags, Protocol):
        names.update(kind.__members__)
    names.update(
        PROTOCOL_SSLv23=Protocol.PROTOCOL_TLS,
        CertificateError=SSLCertVerificationError,
        socket_error=OSError,
        create_default_context=create_default_context,
        _create_default_https_context=create_default_context,
        _create_unverified_context=_create_unverified_context,
        _create_stdlib_context=_create_unverified_context,
        get_server_certificate=_refuse,
        DER_cert_to_PEM_cert=_refuse,
        PEM_cert_to_DER_cert=_refuse,
        get_default_verify_paths=lambda: types.SimpleNamespace(
            cafile=None, capath=None, openssl_cafile_env="", openssl_cafile="", openssl_capath_env="",
            openssl_capath="",
        ),
        HAS_SNI=True,
        HAS_ALPN=True,
        HAS_NPN=False,
        HAS_ECDH=True,
        HAS_SSLv2=False,
        HAS_SSLv3=False,
        HAS_TLSv1=False,
        HAS_TLSv1_1=False,
        HAS_TLSv1_2=True,
        HAS_TLSv1_3=True,
        HAS_PSK=False,
        HAS_NEVER_CHECK_COMMON_NAME=True,
        CHANNEL_BINDING_TYPES=[],
        OPENSSL_VERSION="OpenSSL 3.0.0 (stand-in: the host does TLS)",
        OPENSSL_VERSION_INFO=(3, 0, 0, 0, 0),
        OPENSSL_VERSION_NUMBER=0x30000000,
        PEM_HEADER="-----BEGIN CERTIFICATE-----",
        PEM_FOOTER="-----END CERTIFICATE-----",
        SOCK_STREAM=1,
    )  # fmt: skip
    made.__dict__.update(names)
    made.__file__ = "/python/ssl.py"
    return made
