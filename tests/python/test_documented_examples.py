"""Every example in a docstring runs, and every public function and class has one."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator

import pytest
import trimtab

MODULES = (
    *(trimtab, trimtab.node, trimtab.sched, trimtab.net, trimtab.etcd, trimtab.certs, trimtab.history),
    trimtab.exceptions,
)


def documented() -> Iterator[tuple[str, object]]:
    """Modules, what they hold, and the methods of their classes. The finder of doctest passes by what was compiled."""
    for module in MODULES:
        yield module.__name__, module
        for name in module.__all__:
            value = getattr(module, name)
            if not inspect.ismodule(value):
                yield f"{module.__name__}.{name}", value
            if inspect.isclass(value):
                members = [(member, held) for member, held in vars(value).items() if not member.startswith("_")]
                yield from ((f"{module.__name__}.{name}.{member}", held) for member, held in members)


DOCUMENTED = dict(documented())


def examples(name: str) -> doctest.DocTest:
    text = inspect.getdoc(DOCUMENTED[name]) or ""
    return doctest.DocTestParser().get_doctest(text, {}, name, name, 0)


@pytest.mark.parametrize("name", [name for name in DOCUMENTED if examples(name).examples])
def test_the_example_of(name: str) -> None:
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL & 0)
    failed = runner.run(examples(name), out=said.append).failed
    assert not failed, "".join(said)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_there_is_a_docstring_of(name: str) -> None:
    assert inspect.getdoc(DOCUMENTED[name])


def test_every_public_function_has_an_example() -> None:
    functions = [name for name, value in DOCUMENTED.items() if inspect.isbuiltin(value)]
    assert len(functions) > 15
    assert [name for name in functions if not examples(name).examples] == []
