"""`keepstone mcp install`: the right file in the right shape for each client, and nothing else in it changed."""

import json
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from keepstone.cli.installing import CLIENTS
from tests.cli.running import environment, run

URL = "http://127.0.0.1:8765/mcp"
FILES = {
    "claude-code": (".mcp.json", "mcpServers"),
    "cursor": (".cursor/mcp.json", "mcpServers"),
    "codex": (".codex/config.toml", "mcp_servers"),
    "vscode": (".vscode/mcp.json", "servers"),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a folder of the tests' own, so that nobody's settings are touched."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("CODEX_HOME", str(folder / ".codex"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / ".config"))
    monkeypatch.setenv("APPDATA", str(folder / "AppData"))
    return folder


def installed(tmp_path: Path, client: str, *options: str) -> str:
    result = run("mcp", "install", "--client", client, "--project", str(tmp_path), "--yes", *options)
    assert result.exit_code == 0, result.output
    return result.stdout


def loaded(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    return found


@pytest.mark.parametrize("client", FILES)
def test_a_server_is_entered_without_the_key(tmp_path: Path, client: str) -> None:
    name, section = FILES[client]
    shown = installed(tmp_path, client, "--url", URL, "--user", "林")
    entry = loaded(tmp_path / name)[section]["keepstone"]
    assert entry["url"] == URL + "?user_id=%E6%9E%97"
    reference = {
        "claude-code": {"headers": {"Authorization": "Bearer ${KEEPSTONE_API_KEY}"}, "type": "http"},
        "cursor": {"headers": {"Authorization": "Bearer ${env:KEEPSTONE_API_KEY}"}},
        "codex": {"bearer_token_env_var": "KEEPSTONE_API_KEY"},
        "vscode": {"headers": {"Authorization": "Bearer ${env:KEEPSTONE_API_KEY}"}, "type": "http"},
    }[client]
    assert {key: value for key, value in entry.items() if key != "url"} == reference
    assert f"+++ {tmp_path / name}" in shown, "the difference is shown"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_process_is_entered_for_all_projects(home: Path, client: str) -> None:
    result = run("mcp", "install", "--client", client, "--global", "--user", "alice", "--role", "write", "--yes")
    assert result.exit_code == 0, result.output
    path = {
        "claude-code": home / ".claude.json",
        "cursor": home / ".cursor/mcp.json",
        "codex": home / ".codex/config.toml",
    }.get(client) or next(home.rglob("*.json"))
    section = CLIENTS[client].section
    entry = loaded(path)[section]["keepstone"]
    words = [entry["command"], *entry["args"]]
    assert words[-5:] == ["mcp", "--user", "alice", "--role", "write"]
    assert Path(words[0]).is_absolute(), "programs with windows do not know the path of a shell"


@pytest.mark.parametrize("client", ["claude-code", "cursor", "vscode"])
def test_json_that_is_there_stays(tmp_path: Path, client: str) -> None:
    name, section = FILES[client]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    there = {"别的": [1, 2.5, None], section: {"other": {"command": "x"}}, "last": True}
    path.write_text(json.dumps(there, indent=4, ensure_ascii=False), encoding="utf-8")
    shown = installed(tmp_path, client, "--url", URL)
    now = loaded(path)
    assert list(now) == ["别的", section, "last"]
    assert list(now[section]) == ["other", "keepstone"]
    assert now[section].pop("keepstone")["url"] == URL
    assert now == there
    removed = [line for line in shown.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert {line.strip("- ,}") for line in removed} <= {""}, "only commas and brackets move"


def test_toml_that_is_there_stays_with_its_comments(tmp_path: Path) -> None:
    path = tmp_path / ".codex/config.toml"
    path.parent.mkdir()
    there = (
        '# mine\nmodel = "x" # keep\n\n[mcp_servers.other]\ncommand = "y"  # spaced\n\n[profiles.fast]\nmodel = "z"\n'
    )
    path.write_text(there, encoding="utf-8")
    installed(tmp_path, "codex", "--url", URL)
    text = path.read_text(encoding="utf-8")
    assert all(line in text.splitlines() for line in there.splitlines())
    assert loaded(path)["mcp_servers"]["keepstone"] == {"url": URL, "bearer_token_env_var": "KEEPSTONE_API_KEY"}
    assert loaded(path)["mcp_servers"]["other"] == {"command": "y"}


@pytest.mark.parametrize("client", FILES)
def test_a_second_time_changes_nothing_and_another_way_replaces(tmp_path: Path, client: str) -> None:
    name, section = FILES[client]
    installed(tmp_path, client, "--url", URL)
    before = (tmp_path / name).read_bytes()
    result = run("mcp", "install", "--client", client, "--project", str(tmp_path), "--url", URL)
    assert (result.exit_code, "already" in result.stderr) == (0, True), "nothing is asked either"
    assert (tmp_path / name).read_bytes() == before
    installed(tmp_path, client, "--store", "elsewhere.db")
    entry = loaded(tmp_path / name)[section]["keepstone"]
    assert "url" not in entry
    assert entry["args"][-1].endswith("elsewhere.db")


@pytest.mark.parametrize(
    ("client", "broken"),
    [
        ("claude-code", '{\n  // mine\n  "mcpServers": {}\n}\n'),
        ("vscode", '{"servers": {"a": {}, "a": {}}}'),
        ("cursor", '{"mcpServers": []}'),
        ("cursor", '[{"mcpServers": {}}]'),
        ("vscode", '{"zoom": 1.10, "servers": {}}'),
        ("cursor", "\ufeff{}"),
        ("codex", "model = "),
        ("codex", 'mcp_servers = "none"'),
    ],
)
def test_a_file_that_would_lose_something_is_left_alone(tmp_path: Path, client: str, broken: str) -> None:
    path = tmp_path / FILES[client][0]
    path.parent.mkdir(exist_ok=True)
    path.write_text(broken, encoding="utf-8")
    result = run("mcp", "install", "--client", client, "--project", str(tmp_path), "--yes", "--url", URL)
    assert result.exit_code == 1
    assert "left as it is" in result.stderr
    assert URL in result.stderr, "what to paste is shown"
    assert path.read_text(encoding="utf-8") == broken


def test_without_a_yes_nothing_is_written(tmp_path: Path) -> None:
    result = run("mcp", "install", "--client", "cursor", "--project", str(tmp_path), "--url", URL)
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert "keepstone" in result.stdout, "what would be written is shown"
    assert not (tmp_path / ".cursor").exists()


@pytest.mark.parametrize("client", FILES)
def test_a_key_that_is_given_is_for_the_owner_only_and_not_shown(tmp_path: Path, client: str) -> None:
    secret = "ks_" + "x" * 40
    path = tmp_path / FILES[client][0]
    path.parent.mkdir(exist_ok=True)
    path.write_text("" if client == "codex" else "{}", encoding="utf-8")
    shown = installed(tmp_path, client, "--url", URL, "--key", secret)
    assert secret not in shown
    assert f"Bearer {secret}" in path.read_text(encoding="utf-8")
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_through_a_link_the_file_behind_it_is_changed(tmp_path: Path) -> None:
    behind = tmp_path / "dotfiles.json"
    behind.write_text("{}", encoding="utf-8")
    (tmp_path / ".mcp.json").symlink_to(behind)
    installed(tmp_path, "claude-code", "--url", URL)
    assert (tmp_path / ".mcp.json").is_symlink()
    assert loaded(behind)["mcpServers"]["keepstone"]["url"] == URL


def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    for options in (
        ("--client", "emacs"),
        ("--client", "cursor", "--global", "--project", str(tmp_path)),
        ("--client", "claude-desktop", "--project", str(tmp_path)),
        ("--client", "cursor", "--key", "ks_x"),
        ("--client", "cursor", "--url", "localhost"),
        ("--client", "cursor", "--project", str(tmp_path / "missing")),
    ):
        assert run("mcp", "install", "--yes", *options).exit_code == 2
    assert not list(tmp_path.rglob("*.json"))


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = "import sys; sys.modules['mcp_types'] = None; sys.argv = ['keepstone', 'mcp']; "
    command = [sys.executable, "-c", without + "from keepstone.cli import main; main()"]
    ended = subprocess.run(command, capture_output=True, env=environment(), timeout=60, check=False)
    assert (ended.returncode, b"keepstone[server]" in ended.stderr) == (1, True)
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    result = run("mcp", "install", "--client", "codex", "--project", str(tmp_path), "--yes")
    assert (result.exit_code, "keepstone[server]" in result.stderr) == (1, True)
