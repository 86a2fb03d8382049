"""What every test here goes by."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import settings
from real_kubernetes import RealKubernetes

# How long one input takes says nothing on a machine that compiles beside.
settings.register_profile("trimtab", deadline=None)
settings.load_profile("trimtab")


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[RealKubernetes]:
    """One for all tests, each of which has a namespace of its own."""
    with RealKubernetes() as running:
        yield running


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that accepts every connection and never says a word: what a stopped etcd does."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener
