"""What can go wrong: one class for each remedy, each of them also the builtin that one would catch.

The message says who erred and what to do. ``to_dict()`` gives the kind of error under ``error`` and its fields, which
are attributes as well where a class names them. All can be pickled. A wrong Python type, such as a number where a
version is wanted, is a ``TypeError`` as everywhere; a file that cannot be opened is Python's own ``OSError``.

>>> import trimtab
>>> try:
...     trimtab.KubeVersion("1.41.0")
... except trimtab.UnsupportedVersion as error:
...     print(error.nearest)
1.37
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from ._core import KubeVersion

__all__ = [
    "AccessDenied",
    "AlreadyExists",
    "BrokenFile",
    "ClusterError",
    "DeadlineExceeded",
    "FeatureGateError",
    "FileError",
    "FileInUse",
    "Interrupted",
    "InvalidInput",
    "NoSpace",
    "NotFound",
    "StorageFull",
    "TlsError",
    "TrimtabError",
    "Unreachable",
    "UnsupportedVersion",
]


class TrimtabError(Exception):
    """Any error of trimtab."""

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self._details = dict(details or {})

    @property
    def error(self) -> str:
        """The kind of error: ``"noSuchContainer"``, ``"deadline"``."""
        return str(self._details.get("error", ""))

    def to_dict(self) -> dict[str, Any]:
        """The kind of error under ``error``, and its fields; plain data."""
        return dict(self._details)

    def __reduce__(self) -> tuple[type[Self], tuple[str, dict[str, Any]]]:
        return type(self), (str(self), self._details)


class InvalidInput(TrimtabError, ValueError):
    """An argument cannot be used: a quantity, manifest, endpoint, certificate, policy, revision. Correct it."""

    @property
    def path(self) -> str | None:
        """The field of a manifest that is wrong, as ``spec.containers[0].resources.requests.cpu``."""
        return self._details.get("path")


class UnsupportedVersion(TrimtabError, ValueError):
    """A Kubernetes release that trimtab does not know. Take :attr:`nearest`, if its rules will do."""

    @property
    def nearest(self) -> KubeVersion:
        """The closest release that is known; it is never taken silently."""
        from ._core import KubeVersion

        return KubeVersion(self._details["nearest"])


class FeatureGateError(TrimtabError, ValueError):
    """A feature gate that is unknown, or impossible in that release. Leave it out, or correct it."""

    @property
    def name(self) -> str | None:
        """The gate, as it was given."""
        return self._details.get("name")


class _AtEndpoint(TrimtabError):
    """An error that an endpoint is to blame for."""

    @property
    def endpoint(self) -> str | None:
        """Where; ``None`` where several endpoints failed, which are all in ``to_dict()``, or none was asked yet."""
        return self._details.get("endpoint")


class Unreachable(_AtEndpoint, ConnectionError):
    """Nobody listens there, member or store, or the connection broke. Check that it runs, and http against https."""


class DeadlineExceeded(_AtEndpoint, TimeoutError):
    """No answer in time: stopped, overloaded, or without a quorum. Look at the member."""


class TlsError(_AtEndpoint, ConnectionError):
    """A certificate does not convince: the server's, or ours, which may have expired. Check the CA, or renew."""


class AccessDenied(_AtEndpoint, PermissionError):
    """User, password or keys are wrong or missing, or may not do this. Give others; in etcd, of the role root."""


class NoSpace(_AtEndpoint, OSError):
    """The cluster refuses writes: ``mvcc: database space exceeded``. Observe it and plan a rescue."""

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message, details)
        self.errno = errno.ENOSPC


class ClusterError(_AtEndpoint, RuntimeError):
    """Anything else that a cluster or a store said. Its message says what to do."""


class BrokenFile(TrimtabError, ValueError):
    """The bytes are no sound etcd database, or not those that were proven. Take another backup."""


class FileInUse(TrimtabError, OSError):
    """Somebody else is writing there. Stop the etcd that runs on it, wait for the others, or look and plan again."""

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message, details)
        self.errno = errno.EBUSY


class FileError(TrimtabError, OSError):
    """A file or directory cannot be read or written. Look at its rights and its disk."""


class Interrupted(TrimtabError, RuntimeError):
    """A replacement of files stopped half-way. Recover the node; where that cannot be, put back what it names."""


class AlreadyExists(TrimtabError, FileExistsError):
    """The destination is there already, and was not touched. Give another one, or remove it."""


class NotFound(TrimtabError, FileNotFoundError):
    """A store, or an object in it, is not there. Create the store, or list it again."""


class StorageFull(TrimtabError, OSError):
    """A disk or a store has no room, and nothing was kept of what did not fit. Make room, or plan a retention."""

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message, details)
        self.errno = errno.ENOSPC
