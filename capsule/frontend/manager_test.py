from __future__ import annotations

import types
from pathlib import Path

import pytest

from capsule.errors import UsageError
from capsule.frontend.installing import install_line
from capsule.frontend.manager import Plugins
from capsule.frontend.spec import Engine, hookimpl


class Good:
    """The least that a frontend can be."""

    name = "good"
    version = "1"
    suffixes = (".good",)

    def inputs(self, source, host):
        raise NotImplementedError

    def discover(self, source, inputs, host):
        raise NotImplementedError

    def compile(self, source, inputs, host, *, snapshot):
        raise NotImplementedError

    def engine(self, source) -> Engine | None:
        return None

    def doctor(self):
        return ()


def plugin(*frontends):
    """A plugin module that brings these frontends."""
    module = types.ModuleType("plugin")

    @hookimpl
    def capsule_frontends():
        return list(frontends)

    module.capsule_frontends = capsule_frontends
    return module


class Point:
    """An entry point, as `importlib.metadata` has it."""

    def __init__(self, name, loaded, distribution="capsule-good"):
        self.name = name
        self.value = "module:attribute"
        self.dist = types.SimpleNamespace(name=distribution, version="1.0") if distribution else None
        self._loaded = loaded

    def load(self):
        return self._loaded() if isinstance(self._loaded, types.FunctionType) else self._loaded


def plugins(*points):
    return Plugins(lambda: list(points))


def fails(error):
    def load():
        raise error

    return load


def test_a_plugin_brings_its_frontends_by_suffix():
    frontend = Good()
    found = plugins(Point("good", plugin(frontend)))
    assert found.frontends == (frontend,)
    assert found.frontend_for(Path("a.GOOD")) is frontend
    [one] = found.all
    assert (one.name, one.distribution, one.version, one.problem) == ("good", "capsule-good", "1.0", None)


@pytest.mark.parametrize(
    "error",
    [ImportError("no such module"), SyntaxError("bad"), SystemExit(3), RuntimeError("x"), MemoryError()],
)
def test_a_plugin_that_cannot_be_loaded_is_reported_and_the_others_work(error):
    found = plugins(Point("bad", fails(error), "capsule-bad"), Point("good", plugin(Good())))
    assert [frontend.name for frontend in found.frontends] == ["good"]
    [broken] = found.broken
    assert broken.name == "bad"
    assert type(error).__name__ in broken.problem


def test_a_plugin_whose_hook_raises_is_broken():
    module = types.ModuleType("plugin")

    @hookimpl
    def capsule_frontends():
        raise ZeroDivisionError("in the hook")

    module.capsule_frontends = capsule_frontends
    found = plugins(Point("bad", module))
    assert found.frontends == ()
    assert "in the hook" in found.broken[0].problem


def test_a_plugin_with_a_hook_that_does_not_exist_is_broken():
    module = types.ModuleType("plugin")

    @hookimpl
    def capsule_frontend():
        return []

    module.capsule_frontend = capsule_frontend
    assert "capsule_frontend" in plugins(Point("bad", module)).broken[0].problem


def test_a_frontend_that_lacks_a_method_is_named_with_what_it_lacks():
    class Half(Good):
        compile = None

    half = Half()
    del Half.compile
    Half.doctor = Good.doctor

    class Empty:
        name = "empty"

    found = plugins(Point("bad", plugin(Empty())))
    assert "Empty is not a Frontend" in found.broken[0].problem
    assert "compile" in found.broken[0].problem
    assert half.name == "good"


@pytest.mark.parametrize("suffix", ["good", ".GOOD"])
def test_a_suffix_has_its_dot_and_is_lower_case(suffix):
    class Odd(Good):
        suffixes = (suffix,)

    assert suffix in plugins(Point("odd", plugin(Odd()))).broken[0].problem


def test_without_a_frontend_the_error_names_the_distribution_to_install():
    for suffix, distribution in ((".py", "capsule-python"), (".ts", "capsule-js")):
        with pytest.raises(UsageError, match="no frontend") as caught:
            plugins().frontend_for(Path(f"main{suffix}"))
        assert caught.value.hint == install_line(distribution)
        assert distribution in caught.value.hint


def test_with_a_broken_frontend_the_error_says_that_it_is_broken():
    found = plugins(Point("python", fails(ImportError("no wasm")), "capsule-python"))
    with pytest.raises(UsageError, match="no wasm") as caught:
        found.frontend_for(Path("main.py"))
    assert caught.value.hint == install_line("capsule-python", again=True)


@pytest.mark.parametrize("name", ["main.rb", "main", ".py"])
def test_an_unknown_suffix_lists_those_that_are_known(name):
    with pytest.raises(UsageError) as caught:
        plugins(Point("good", plugin(Good()))).frontend_for(Path(name))
    assert ".good" in caught.value.hint
    assert ".wasm" in caught.value.hint


def test_plugins_are_loaded_when_they_are_first_asked_for():
    asked = []
    found = Plugins(lambda: asked.append(1) or [])
    assert asked == []
    assert found.frontends == ()
    assert found.all == ()
    assert asked == [1]


def test_an_entry_point_without_a_distribution_is_named_by_its_module():
    [one] = plugins(Point("good", plugin(Good()), None)).all
    assert one.distribution == "module:attribute".partition(".")[0]


def plugin_for(contract, *frontends):
    """A plugin that states a contract."""
    module = plugin(*frontends)
    module.CONTRACT = contract
    return module


@pytest.mark.parametrize("contract", ["1.0", "1.1"])
def test_a_plugin_for_this_contract_works(contract):
    [one] = plugins(Point("good", plugin_for(contract, Good()))).all
    assert (one.problem, one.contract, one.suffixes) == (None, contract, (".good",))


@pytest.mark.parametrize("contract", ["1.2", "1.3", "1.10", "2.0", "10.0"])
def test_a_plugin_for_a_newer_contract_is_refused_and_says_to_upgrade_the_host(contract):
    found = plugins(Point("new", plugin_for(contract, Good()), "capsule-new"))
    assert found.frontends == ()
    with pytest.raises(UsageError, match=rf"version {contract} of the plugin contract") as caught:
        found.frontend_for(Path("a.good"))
    assert caught.value.hint == install_line("capsule-run", upgrade=True)


def test_an_older_minor_version_keeps_working(monkeypatch):
    monkeypatch.setattr("capsule.frontend.manager.CONTRACT_VERSION", "1.12")
    for contract in ("1.0", "1.9", "1.12"):
        assert plugins(Point("old", plugin_for(contract, Good()))).broken == (), contract
    assert plugins(Point("silent", plugin(Good()))).broken == ()
    assert plugins(Point("new", plugin_for("1.13", Good()))).broken != ()


def test_a_plugin_for_an_older_major_version_is_refused_and_says_to_upgrade_the_plugin(monkeypatch):
    monkeypatch.setattr("capsule.frontend.manager.CONTRACT_VERSION", "2.0")
    [broken] = plugins(Point("old", plugin_for("1.7", Good()), "capsule-old")).broken
    assert broken.hint == install_line("capsule-old", upgrade=True)


@pytest.mark.parametrize(
    "contract", [1, 1.0, None, "", "1", "1.0.0", "v1.0", "1.0\n", "\u0661.0", "9" * 50 + ".0"]
)
def test_a_contract_that_is_no_version_is_refused(contract):
    [broken] = plugins(Point("odd", plugin_for(contract, Good()))).broken
    assert "not a version like" in broken.problem


def test_a_refused_plugin_whose_hook_raises_is_refused_all_the_same():
    module = plugin_for("2.0")

    @hookimpl
    def capsule_frontends():
        raise SystemExit("nothing that this host knows")

    module.capsule_frontends = capsule_frontends
    [broken] = plugins(Point("new", module)).broken
    assert "version 2.0" in broken.problem
    assert broken.suffixes == ()


def test_a_plugin_that_imports_what_this_host_does_not_have_says_to_upgrade_the_host():
    def load():
        from capsule.frontend.spec import Tomorrow  # noqa: F401

    [broken] = plugins(Point("new", load)).broken
    assert "Tomorrow" in broken.problem
    assert broken.hint == install_line("capsule-run", upgrade=True)


def test_an_unknown_suffix_names_the_plugins_that_are_broken():
    with pytest.raises(UsageError) as caught:
        plugins(Point("bad", fails(RuntimeError("x")))).frontend_for(Path("a.strange"))
    assert "bad" in caught.value.hint
