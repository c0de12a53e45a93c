"""Settings of other programs: changed in one place, with everything else as it was, or left alone."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from keepstone.errors import ConfigError, MissingExtraError

Entry: TypeAlias = Mapping[str, "str | list[str] | dict[str, str]"]

OWN_MODE, USUAL_MODE = 0o600, 0o644


class _LossyError(ValueError):
    """Written back, it would not be what it was."""


def read(path: Path) -> str | None:
    """Return what a file holds, None if there is none.

    Raises:
        ConfigError: it cannot be read, or is no UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as text, and is left as it is.") from error


def with_json(path: Path, old: str | None, section: str, name: str, entry: Entry) -> str:
    """Return a JSON file with *entry* as *name* in its *section*, and all else as it was.

    Raises:
        ConfigError: the file is not plain JSON, or not of this shape.
    """
    text = old if old is not None and old.strip() else "{}"
    try:
        whole = json.loads(text, object_pairs_hook=_once, parse_float=_exact)
    except (ValueError, RecursionError) as error:
        raise _left_alone(path, "is not plain JSON (it may have comments)", section, name, entry) from error
    servers = whole.setdefault(section, {}) if isinstance(whole, dict) else None
    if not isinstance(servers, dict):
        raise _left_alone(path, f"has no object {section!r} to put it into", section, name, entry)
    if servers.get(name) == entry:
        return text
    servers[name] = dict(entry)
    return json.dumps(whole, ensure_ascii=False, indent=_indent(text)) + "\n"


def with_toml(path: Path, old: str | None, section: str, name: str, entry: Entry) -> str:
    """Return a TOML file with *entry* as *name* in its *section*, and all else, comments too, as it was.

    Raises:
        ConfigError: the file is not TOML, or not of this shape.
        MissingExtraError: tomlkit is not installed.
    """
    try:
        import tomlkit
        from tomlkit.exceptions import TOMLKitError
    except ImportError as error:
        raise MissingExtraError("Changing a TOML file", "server") from error
    text = old or ""
    try:
        whole = tomlkit.parse(text)
    except TOMLKitError as error:
        raise _left_alone(path, "is not TOML", section, name, entry) from error
    if section not in whole:
        whole[section] = tomlkit.table(is_super_table=True)
    servers: Any = whole[section]
    if not isinstance(servers, dict):
        raise _left_alone(path, f"has no table {section!r} to put it into", section, name, entry)
    if servers.get(name) == entry:
        return text
    table = tomlkit.table()
    table.update(entry)
    servers[name] = table
    return tomlkit.dumps(whole)


def write(path: Path, old: str | None, new: str, *, is_secret: bool) -> None:
    """Put *new* in the place of *old*: all of it or nothing, for the owner's eyes only if *is_secret*.

    Raises:
        ConfigError: the file does not hold *old* any more, or cannot be written.
    """
    if read(path) != old:
        raise ConfigError(f"{path} has changed meanwhile; nothing was written. Run it again.")
    # Through a link, the file that it leads to is changed.
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else USUAL_MODE
        descriptor, made = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(new)
                file.flush()
                os.fsync(file.fileno())
            Path(made).chmod(mode & OWN_MODE if is_secret else mode)
            Path(made).replace(target)
        finally:
            Path(made).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error


def _left_alone(path: Path, why: str, section: str, name: str, entry: Entry) -> ConfigError:
    if path.suffix == ".toml":
        told = "\n".join(f"{key} = {json.dumps(value)}" for key, value in entry.items() if not isinstance(value, dict))
        tables = (
            f"\n[{section}.{name}.{key}]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in value.items())
            for key, value in entry.items()
            if isinstance(value, dict)
        )
        snippet = f"[{section}.{name}]\n{told}" + "".join(tables)
    else:
        snippet = json.dumps({section: {name: entry}}, indent=2, ensure_ascii=False)
    return ConfigError(f"{path} {why}, and is left as it is. Put this into it:\n{snippet}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _LossyError("a name stands twice")
    return found


def _exact(number: str) -> float:
    if repr(float(number)) != number:
        raise _LossyError("a number would be written differently")
    return float(number)


def _indent(text: str) -> int | str:
    found = re.search(r"\n([ \t]+)\S", text)
    if found is None:
        return 2
    return "\t" if found[1].startswith("\t") else len(found[1])
