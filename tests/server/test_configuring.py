"""Settings come from the right place, and what is wrong is said with the place that it came from."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone import config
from keepstone.errors import ConfigError
from keepstone.server.configuring import NAMES, SECRETS, assignments, configure
from keepstone.server.settings import Settings
from tests.cli.running import answer, run

SECRET = "ks_" + "a" * 40


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a user's folder without settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_user_file(text: str) -> Path:
    path = config.user_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_has_a_default() -> None:
    found = configure()
    assert found.settings == Settings()
    assert set(found.sources.values()) == {"default"}


def test_what_is_nearer_wins(own_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = write_user_file('port = 1\nworkers = 1\ndrain_seconds = 1\nlog_level = "error"\n')
    project = own_files / "keepstone.toml"
    project.write_text("port = 2\nworkers = 2\ndrain_seconds = 2\n")
    monkeypatch.setenv("KEEPSTONE_PORT", "3")
    monkeypatch.setenv("KEEPSTONE_WORKERS", "3")
    found = configure({"port": 4, "host": None})
    settings = found.settings
    assert (settings.port, settings.workers, settings.drain_seconds, settings.log_level) == (4, 3, 2, "error")
    named = [found.sources[name] for name in ("port", "workers", "drain_seconds", "log_level", "host")]
    assert named == ["--port", "KEEPSTONE_WORKERS", str(project.relative_to(own_files)), str(user), "default"]


def test_a_project_may_keep_them_in_pyproject(own_files: Path) -> None:
    (own_files / "pyproject.toml").write_text(
        '[tool.keepstone]\nallowed_hosts = ["memory.example"]\n[tool.other]\nx = 1\n'
    )
    assert configure().settings.allowed_hosts == ("memory.example",)
    (own_files / "keepstone.toml").write_text("")
    assert configure().settings.allowed_hosts == ()


def test_the_variables_of_the_library_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KEEPSTONE_EMBEDDER", "none")
    monkeypatch.setenv("KEEPSTONE_CHAT_MODEL", "ollama:qwen3")
    found = configure()
    assert (found.settings.embedder, found.settings.chat_model) == ("none", "ollama:qwen3")
    shown = {s["name"]: s["value"] for s in found.shown()}
    assert shown["store"] == str(config.default_path())


def test_lists_and_paths_from_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPSTONE_ALLOWED_HOSTS", "a.example, b.example")
    monkeypatch.setenv("KEEPSTONE_TLS_TERMINATED", "true")
    settings = configure(assignments(["store=/tmp/x.db", "events-days=7"])).settings
    assert settings.allowed_hosts == ("a.example", "b.example")
    assert (settings.tls_terminated, settings.store, settings.events_days) == (True, Path("/tmp/x.db"), 7)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("KEEPSTONE_PROT", "1", "Did you mean port"),
        ("KEEPSTONE_PORT", "http", "port, which KEEPSTONE_PORT gives"),
        ("KEEPSTONE_PORT", "65536", "less than or equal to 65535"),
        ("KEEPSTONE_WORKERS", "-1", "greater than or equal to 0"),
        ("KEEPSTONE_LOG_FORMAT", "xml", "'text' or 'json'"),
        ("KEEPSTONE_PROXY_KEY_FILE", "/nowhere/key", "KEEPSTONE_PROXY_KEY_FILE names a file that cannot be read"),
        ("KEEPSTONE_HOST_FILE", "/etc/hostname", "KEEPSTONE_HOST_FILE"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=says):
        configure()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 1", "keepstone.toml gives. Did you mean port"),
        ('port = "8765"', "port, which keepstone.toml gives, is wrong"),
        ("dashboard = 1", "dashboard, which keepstone.toml gives"),
        ("port = 2026-01-01", "is a date"),
        ("port = ", "keepstone.toml is not TOML"),
        ("[server]\nport = 1", "no setting 'server'"),
    ],
)
def test_a_wrong_file_is_named(text: str, says: str, own_files: Path) -> None:
    (own_files / "keepstone.toml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        configure()


def test_a_secret_comes_from_a_file_and_is_never_shown(own_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_files / "key").write_text(f"{SECRET}\n")
    monkeypatch.setenv("KEEPSTONE_ADMIN_KEY_FILE", str(own_files / "key"))
    monkeypatch.setenv("KEEPSTONE_PROXY_KEY", "sk-canary")
    found = configure()
    assert found.settings.admin_key == SECRET
    assert found.settings.proxy_key == "sk-canary"
    for said in (run("config", "show").output, run("config", "show", "--json").output, repr(found.settings)):
        assert SECRET not in said
        assert "sk-canary" not in said
    monkeypatch.setenv("KEEPSTONE_ADMIN_KEY", SECRET)
    with pytest.raises(ConfigError, match="both set"):
        configure()


def test_a_wrong_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPSTONE_ADMIN_KEY", "canary-too-short")
    with pytest.raises(ConfigError) as caught:
        configure()
    assert "KEEPSTONE_ADMIN_KEY" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_config_show_lists_every_setting_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPSTONE_PORT", "9000")
    shown = {s["name"]: s for s in answer("config", "show", "--set", "workers=2")["settings"]}
    assert tuple(shown) == NAMES
    assert shown["port"] == {"name": "port", "value": 9000, "source": "KEEPSTONE_PORT"}
    assert shown["workers"] == {"name": "workers", "value": 2, "source": "--workers"}
    assert {"admin_key", "proxy_key"} == SECRETS


@given(st.sampled_from(["port", "workers", "tls_terminated", "allowed_hosts", "drain_seconds"]), st.data())
def test_a_value_reads_the_same_from_every_place(name: str, data: st.DataObject) -> None:
    """The law of the layers: as text, as TOML and as a flag, one value is one value."""
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "port": st.integers(0, 65_535),
        "workers": st.integers(0, 1_000),
        "tls_terminated": st.booleans(),
        "allowed_hosts": st.lists(st.from_regex(r"[a-z]{1,8}\.example", fullmatch=True), min_size=1, max_size=3).map(
            tuple
        ),
        "drain_seconds": st.floats(0, 1e6),
    }
    value = data.draw(kinds[name])
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    assert getattr(configure({name: value}).settings, name) == value
    assert getattr(configure(assignments([f"{name}={text}"])).settings, name) == value
