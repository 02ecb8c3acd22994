import importlib.metadata

import pluggy

from capsule.frontend.spec import PROJECT_NAME, Frontend, Hooks


def test_the_host_finds_the_frontend_through_its_entry_point() -> None:
    (entry,) = importlib.metadata.entry_points(group="capsule", name="python")
    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(Hooks)
    manager.register(entry.load())
    ((frontend,),) = manager.hook.capsule_frontends()
    assert isinstance(frontend, Frontend)
    assert frontend.suffixes == (".py",)
    assert frontend.version == importlib.metadata.version("capsule-python")
