"""Every fenced block in the documentation runs, parses, or names things that exist.

| fence | what is held |
|---|---|
| python, bash | runs in a temporary folder; see run_page.py for what blocks share |
| json | parses |
| sh | set-up commands, not run: they parse, and their make targets and extras exist |
| console, text | output, not held |

`<!-- continues -->` on the line before a block makes it go on where the block before it stopped;
`<!-- raises: SomeError -->` says that a python block must raise that error; `<!-- serves -->` that a bash block starts
a server, which the blocks after it use.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import Block, PageError, parse_blocks, read_blocks

ROOT = Path(__file__).resolve().parent.parent.parent
LANGUAGES = {"python", "bash", "json", "sh", "console", "text"}
PAGE_SECONDS_MAX = 240

FIRST_PAGES = [ROOT / name for name in ("README.md", "README.zh.md", "CONTRIBUTING.md")]
PAGES = [page for page in [*FIRST_PAGES, *sorted(ROOT.glob("docs/**/*.md"))] if page.exists()]

for_each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@for_each_page
def test_fences_say_what_they_hold(page: Path) -> None:
    wrong = [f"{page.name}:{b.line}: {b.language!r}" for b in read_blocks(page) if b.language not in LANGUAGES]
    assert not wrong, f"a fence is one of {sorted(LANGUAGES)}: {wrong}"


@for_each_page
def test_code_runs(page: Path, tmp_path: Path) -> None:
    if not any(block.language in ("python", "bash") for block in read_blocks(page)):
        return
    # Not resolved: the interpreter of an environment is a link to one outside it.
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    result = subprocess.run(
        [sys.executable, "-m", "tests.docs.run_page", str(page), str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PAGE_SECONDS_MAX,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@for_each_page
def test_json_parses(page: Path) -> None:
    for block in read_blocks(page):
        if block.language == "json":
            json.loads(block.code)


@for_each_page
def test_set_up_commands_exist(page: Path) -> None:
    wrong = [
        f"{page.name}:{block.line}: {problem}"
        for block in read_blocks(page)
        if block.language == "sh"
        for problem in set_up_problems(block)
    ]
    assert not wrong, "\n".join(wrong)


def set_up_problems(block: Block) -> list[str]:
    checked = subprocess.run(["bash", "-n", "-c", block.code], capture_output=True, text=True)
    problems = [checked.stderr] if checked.returncode else []
    for line in block.code.splitlines():
        for command in commands(line):
            problems += [f"no such make target: {name}" for name in targets(command) - make_targets()]
            problems += [f"no such extra: {name}" for name in extras(command) - package_extras()]
    return problems


def commands(line: str) -> list[list[str]]:
    """Split a shell line into its commands, each into its words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("&|;"):
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def targets(command: list[str]) -> set[str]:
    if not command or command[0] != "make":
        return set()
    return {word for word in command[1:] if not word.startswith("-") and "=" not in word}


def extras(command: list[str]) -> set[str]:
    if "install" not in command:
        return set()
    named = [re.fullmatch(r"(?:keepstone|\.)\[([\w\s,-]+)\].*", word) for word in command]
    return {extra.strip() for match in named if match for extra in match[1].split(",")}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def package_extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])


def test_blocks_are_found_with_their_directives() -> None:
    text = (
        "a\n```python\nx = 1\n```\n<!-- continues -->\n~~~bash\n```\n~~~\n"
        "1. b\n   <!-- raises: OSError -->\n   ```python\n   y\n   ```\n"
    )
    assert parse_blocks(text) == [
        Block("python", "x = 1\n", 3),
        Block("bash", "```\n", 7, continues=True),
        Block("python", "y\n", 12, raises="OSError"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = 1\n",
        "<!-- raises -->\n```python\n```\n",
        "<!-- raises: OSError -->\n```bash\n```\n",
        "<!-- skip -->\n```python\n```\n",
        "<!-- serves -->\n```python\n```\n",
    ],
)
def test_a_page_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(PageError):
        parse_blocks(text)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("make demo", None),
        ("cd keepstone && make check VENV=x", None),
        ("pip install 'keepstone[dev]'", None),
        ("pip install -e '.[dev,nothing]'", "no such extra: nothing"),
        ("git clone x && make nothing # or", "no such make target: nothing"),
        ("if", "syntax error"),
    ],
)
def test_set_up_commands_are_checked(code: str, problem: str | None) -> None:
    problems = set_up_problems(Block("sh", code + "\n", 1))
    if problem is None:
        assert problems == []
    else:
        assert problem in "".join(problems)


SERVED = "<!-- serves -->\n```bash\nkeepstone serve --embedder hashing\n```\n\n```bash\n"
ASKED = """```

```python
import os, urllib.request
url, key = os.environ["KEEPSTONE_URL"] + "/api/v1/whoami", os.environ["KEEPSTONE_API_KEY"]
urllib.request.urlopen(urllib.request.Request(url, headers={"X-API-Key": key})).read()
```
"""


@pytest.mark.parametrize(
    ("page", "passes"),
    [
        ("```python\nx = 1\n```\n\n```python\nassert x == 1\n```\n", True),
        ("```python\nimport asyncio\nawait asyncio.sleep(0)\n```\n", True),
        ("<!-- raises: OSError -->\n```python\nopen('nothing')\n```\n", True),
        ("<!-- raises: KeyError -->\n```python\nopen('nothing')\n```\n", False),
        ("<!-- raises: OSError -->\n```python\nx = 1\n```\n", False),
        ("```bash\ntouch a\n```\n<!-- continues -->\n```bash\ntest -e a\n```\n", True),
        ("```bash\ntouch a\n```\n\n```bash\ntest -e a\n```\n", False),
        ("```bash\nfalse | true\n```\n", False),
        (SERVED + "curl -fsS http://localhost:8765/healthz\n" + ASKED, True),
        (SERVED + "false\n" + ASKED, False),
        ("<!-- serves -->\n```bash\ntrue\n```\n", False),
        ("```python\nimport socket\nsocket.create_connection(('192.0.2.1', 9))\n```\n", False),
    ],
)
def test_pages_are_run(page: str, passes: bool, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(page)
    command = [sys.executable, "-m", "tests.docs.run_page", str(path), str(tmp_path)]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert (result.returncode == 0) == passes, result.stdout + result.stderr
