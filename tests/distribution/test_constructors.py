"""The constructors of the plugins: what an editor completes and a checker refuses is what the settings are."""

import inspect
import typing
from typing import Any

import attrs
import pytest

from unbroken import ConfigurationError, Plugin
from unbroken.registry import discover

CLASSES = {found.name: found.load(found.name) for found in discover() if found.distribution == "unbroken"}
every_plugin = pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)


def settings_of(cls: type[Plugin]) -> dict[str, Any]:
    """Return the fields of a plugin's settings by the names of their keywords."""
    attrs.resolve_types(cls.Config)
    return {field.alias: field for field in attrs.fields(cls.Config) if field.init}


@every_plugin
def test_the_typed_keywords_are_the_settings(cls: type[Plugin]) -> None:
    """The keywords are written down once more, for type checkers: with the same names and types.

    What a converter takes may be wider than what it makes of it.
    """
    (options,) = typing.get_args(typing.get_type_hints(cls.__init__)["options"])
    keywords, fields = typing.get_type_hints(options), settings_of(cls)
    assert list(keywords) == list(fields)
    assert not options.__required_keys__
    assert {name: keywords[name] for name, field in fields.items() if field.converter is None} == {
        name: field.type for name, field in fields.items() if field.converter is None
    }


@every_plugin
def test_the_signature_shows_every_setting_with_its_default(cls: type[Plugin]) -> None:
    """As `help` and notebooks print it."""
    config, *keywords = inspect.signature(cls).parameters.values()
    assert (config.name, config.kind, config.default) == ("config", config.POSITIONAL_ONLY, None)
    assert {each.name: each.default for each in keywords} == {
        name: inspect.Parameter.empty if field.default is attrs.NOTHING else field.default
        for name, field in settings_of(cls).items()
    }


@every_plugin
def test_a_keyword_that_is_nearly_one_is_named(cls: type[Plugin]) -> None:
    """The nearest name is offered."""
    name = next(iter(settings_of(cls)))
    with pytest.raises(ConfigurationError, match=rf"\.{name}s: is not one of its settings \(did you mean '{name}'\?\)"):
        cls(**{f"{name}s": 1})
