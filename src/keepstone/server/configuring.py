"""Settings from where they are said: flag, environment, the project's file, the user's file, default, in that order.

Written out rather than left to a settings library: the environment is read in `keepstone.config` alone, and each value
keeps the place that it came from, for errors and for `keepstone config show`. Types are checked by Pydantic.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from keepstone import config
from keepstone.errors import ConfigError
from keepstone.server.settings import Settings

PREFIX = "KEEPSTONE_"
FILE_SUFFIX = "_FILE"
PROJECT_FILE = "keepstone.toml"
PYPROJECT_FILE = "pyproject.toml"
# Read by other parts: where data lies, and where a client finds its server.
OTHER_VARIABLES = ("KEEPSTONE_HOME", "KEEPSTONE_URL", "KEEPSTONE_API_KEY")
SECRET_BYTES_MAX = 10_000

NAMES = tuple(f.name for f in fields(Settings))
SECRETS = frozenset(f.name for f in fields(Settings) if f.metadata["secret"])
_HINTS = get_type_hints(Settings, include_extras=True)
_IS_LIST = frozenset(name for name in NAMES if str(_HINTS[name]).startswith("tuple"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """Settings, and for each name where its value came from: a flag, a variable, a file, or "default"."""

    settings: Settings
    sources: Mapping[str, str]

    def shown(self) -> list[dict[str, Any]]:
        """Return each setting with its value and source; secrets are masked."""
        return [{"name": name, "value": self._value(name), "source": self.sources[name]} for name in NAMES]

    def _value(self, name: str) -> Any:
        value = getattr(self.settings, name)
        if value is not None and name in SECRETS:
            return "********"
        if name == "store" and value is None:
            return str(config.default_path())
        if isinstance(value, tuple):
            return list(value)
        return str(value) if isinstance(value, Path) else value


def configure(flags: Mapping[str, Any] | None = None, folder: Path | None = None) -> Configured:
    """Return the settings of a server that is started in *folder*, by default the working folder.

    *flags* have the names of settings; None is one that was not given.

    Raises:
        ConfigError: a name is unknown, a value has the wrong type, or a file cannot be read; it says where.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = dict.fromkeys(NAMES, "default")
    project = _project(folder or Path())
    for layer in (_file(config.user_file(), ()), project, _environment(), _flags(flags or {})):
        for name, (value, source) in layer.items():
            values[name], sources[name] = value, source
    return Configured(settings=Settings(**values), sources=sources)


def assignments(given: Iterable[str]) -> dict[str, str]:
    """Return what `NAME=VALUE` says, for settings without a flag of their own.

    Raises:
        ConfigError: there is no `=`, or no setting with that name.
    """
    found = {}
    for one in given:
        name, separator, value = one.partition("=")
        name = name.strip().replace("-", "_")
        if not separator:
            raise ConfigError(f"--set wants NAME=VALUE, and {one!r} has no `=`.")
        _known(name, "--set")
        found[name] = value
    return found


_Layer = dict[str, tuple[Any, str]]


def _flags(given: Mapping[str, Any]) -> _Layer:
    layer: _Layer = {}
    for name, value in given.items():
        source = f"--{name.replace('_', '-')}"
        _known(name, source)
        if value is not None and value != ():
            layer[name] = _of_text(name, value, source), source
    return layer


def _environment() -> _Layer:
    layer: _Layer = {}
    for variable in config.environment_names(PREFIX):
        if variable in OTHER_VARIABLES:
            continue
        name = variable.removeprefix(PREFIX).lower()
        value = config.environment(variable)
        if name.endswith(FILE_SUFFIX.lower()) and name.removesuffix(FILE_SUFFIX.lower()) in SECRETS:
            name = name.removesuffix(FILE_SUFFIX.lower())
            if name in layer:
                raise ConfigError(f"{variable} and {PREFIX}{name.upper()} are both set: unset one.")
            value = _secret(Path(value or ""), variable)
        _known(name, variable)
        layer[name] = _of_text(name, value, variable), variable
    return layer


def _project(folder: Path) -> _Layer:
    own = folder / PROJECT_FILE
    return _file(own, ()) if own.exists() else _file(folder / PYPROJECT_FILE, ("tool", "keepstone"))


def _file(path: Path, tables: tuple[str, ...]) -> _Layer:
    """What a TOML file says, in one of its tables; nothing if it is not there."""
    try:
        said: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from error
    for table in tables:
        said = said.get(table, {})
        if not isinstance(said, dict):
            raise ConfigError(f"{table} in {path} is not a table.")
    layer: _Layer = {}
    for name, value in said.items():
        _known(name, str(path))
        layer[name] = _of_toml(name, value, str(path)), str(path)
    return layer


def _secret(path: Path, variable: str) -> str:
    try:
        with path.expanduser().open("rb") as stream:
            said = stream.read(SECRET_BYTES_MAX).decode("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{variable} names a file that cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{variable} names a file that is not UTF-8.") from error
    if not said:
        raise ConfigError(f"{variable} names an empty file.")
    return said


def _known(name: str, source: str) -> None:
    if name in NAMES:
        return
    near = difflib.get_close_matches(name, NAMES, 1)
    meant = f" Did you mean {near[0]}?" if near else " `keepstone config show` lists them all."
    raise ConfigError(f"There is no setting {name!r}, which {source} gives.{meant}")


def _of_text(name: str, value: Any, source: str) -> Any:
    """The value of a flag or a variable, whose lists have commas."""
    if name in _IS_LIST and isinstance(value, str):
        value = tuple(part.strip() for part in value.split(",") if part.strip())
    try:
        return TypeAdapter(_HINTS[name]).validate_python(value)
    except ValidationError as error:
        # What it was raised from holds the value.
        raise _wrong(name, source, error) from None


def _of_toml(name: str, value: Any, source: str) -> Any:
    """The value of a file, whose type must be right as it stands."""
    try:
        return TypeAdapter(_HINTS[name]).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        # What it was raised from holds the value.
        raise _wrong(name, source, error) from None
    except TypeError as error:
        raise ConfigError(f"{name} in {source} is a date, which no setting is.") from error


def _wrong(name: str, source: str, error: ValidationError) -> ConfigError:
    """Say what is wrong with a value without repeating it: it may be a secret."""
    return ConfigError(f"{name}, which {source} gives, is wrong: {error.errors(include_input=False)[0]['msg']}.")
