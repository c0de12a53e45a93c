"""The files for deploying parse and agree with the code.

What can be run of them is run: the health check, the environment, the unit. Nothing here builds the image or renders
the chart, for which it takes Docker and Helm.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

import keepstone
from keepstone.server.configuring import NAMES, OTHER_VARIABLES, PREFIX, SECRETS
from tests.server.process import started
from tests.server.serving import serving

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy" / "helm" / "keepstone"
DEPLOYMENT = [
    ROOT / "Dockerfile",
    ROOT / "compose.yaml",
    ROOT / "deploy" / "keepstone.service",
    ROOT / "deploy" / "keepstone.env.example",
    *sorted(CHART.rglob("*.yaml")),
]


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def last(instruction: str) -> str:
    return [rest for word, rest in dockerfile() if word == instruction][-1]


def test_every_variable_is_a_setting() -> None:
    known = {*OTHER_VARIABLES, *(f"{PREFIX}{n.upper()}" for n in NAMES)}
    known |= {f"{PREFIX}{n.upper()}_FILE" for n in SECRETS}
    for path in DEPLOYMENT:
        named = set(re.findall(r"\bKEEPSTONE_[A-Z0-9_]+", path.read_text(encoding="utf-8")))
        assert named <= known, path


def test_the_image_holds_no_more_than_it_needs() -> None:
    copied = [shlex.split(rest)[:-1] for word, rest in dockerfile() if word == "COPY" and "--from" not in rest]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source.removeprefix("./") for sources in copied for source in sources} == allowed
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert all((ROOT / name).exists() for name in allowed)


def test_the_image_runs_as_nobody_in_particular() -> None:
    assert last("USER") == "10001:10001"
    assert last("VOLUME") == "/data"
    assert last("STOPSIGNAL") == "SIGTERM"
    # As an array: a shell in between would not hand on the signal.
    assert json.loads(last("ENTRYPOINT")) == ["keepstone"]
    assert json.loads(last("CMD")) == ["serve"]
    named = " ".join(rest for word, rest in dockerfile() if word in ("ENV", "ARG"))
    assert not re.search(r"KEY|SECRET|TOKEN|PASSWORD", named)


def test_the_image_installs_what_the_package_offers() -> None:
    (install,) = [rest for word, rest in dockerfile() if word == "RUN" and "pip install" in rest]
    found = re.search(r"'\.\[([\w,]+)\]'", install)
    assert found
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(found[1].split(",")) <= set(extras)
    minor = re.findall(r"^FROM python:3\.(\d+)-slim", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(set(minor)) == 1
    assert int(minor[0]) >= 11


def test_the_health_check_tells_a_server_from_none() -> None:
    """The command of the Dockerfile itself, against a server and against nothing."""
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "python"
    command[0] = sys.executable

    def check(port: int) -> int:
        env = {"KEEPSTONE_PORT": str(port)}
        return subprocess.run(command, env=env, capture_output=True, timeout=30, check=False).returncode

    with serving() as server:
        port = int(server.url.rpartition(":")[2])
        assert check(port) == 0
    assert check(port) != 0


def test_the_image_of_settings_starts_a_server(tmp_path: Path) -> None:
    """What the Dockerfile and compose.yaml put into the environment, without the container."""
    variables = dict(re.findall(r"(KEEPSTONE_\w+)=(\S+)", last("ENV")))
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["keepstone"]
    variables |= service["environment"]
    secret = "ks_" + "c" * 64
    (tmp_path / "admin_key").write_text(secret + "\n")
    variables |= {"KEEPSTONE_ADMIN_KEY_FILE": str(tmp_path / "admin_key"), "KEEPSTONE_HOME": str(tmp_path)}
    with started("serve", "--port", "0", **variables) as server:
        assert server.secret is None
        with server.client(secret) as client:
            assert client.get("/api/v1/whoami").json()["role"] == "admin"
        assert server.stop() == 0


def test_compose_publishes_nothing_beyond_this_machine_and_keeps_one_volume() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    (service,) = compose["services"].values()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["volumes"] == [f"{next(iter(compose['volumes']))}:{last('VOLUME')}"]
    assert set(service["secrets"]) == set(compose["secrets"])
    assert "privileged" not in service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    unit = (ROOT / "deploy" / "keepstone.service").read_text(encoding="utf-8")
    (start,) = re.findall(r"^ExecStart=(\S+) serve$", unit, re.MULTILINE)
    copy = tmp_path / "keepstone.service"
    copy.write_text(unit.replace(start, "/bin/true"))
    checked = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def chart_values() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return values


def test_the_charts_values_fit_its_schema() -> None:
    schema = jsonschema_rs.validator_for(json.loads((CHART / "values.schema.json").read_text()))
    assert schema.is_valid(chart_values())
    for wrong in (
        {"replicas": 2},
        {"adminKeySecret": ""},
        {"env": {"KEEPSTONE_HOST": "x"}},
        {"persistence": {"size": "x"}},
    ):
        assert not schema.is_valid({**chart_values(), **wrong})


def test_the_charts_templates_name_values_that_are_there() -> None:
    """Not a rendering, for which there is no Helm here: names, blocks and what must not be lost."""
    for path in sorted((CHART / "templates").iterdir()):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"\.Values\.([\w.]+)", text):
            value: Any = chart_values()
            for part in name.split("."):
                assert part in value, f"{path.name}: {name}"
                value = value[part]
        opened = len(re.findall(r"\{\{-? *(?:if|range|with|define)\b", text))
        assert opened == len(re.findall(r"\{\{-? *end\b", text)), path.name
    deployment = (CHART / "templates" / "deployment.yaml").read_text()
    for line in ("replicas: 1", "type: Recreate", "enableServiceLinks: false", "readOnlyRootFilesystem: true"):
        assert line in deployment


def test_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == keepstone.__version__
