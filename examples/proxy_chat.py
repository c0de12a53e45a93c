"""A chat that remembers, through the memory proxy, with the client of OpenAI's interface as it is.

Run it with `python examples/proxy_chat.py`. It needs `pip install 'keepstone[server]' openai`.

The provider is a stand-in that repeats what was recalled, so that this runs without a model and without a network. In
earnest, start `keepstone serve --set proxy_upstream=https://api.openai.com/v1` and take its address as `base_url`.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openai import OpenAI

from keepstone import ChatRequest
from keepstone.client import Client
from keepstone.testing import ChatServer


def provider(request: ChatRequest) -> str:
    """Stand in for a language model: repeat what the system messages recall, else say that nothing is known."""
    recalled = [m.content for m in request.messages if m.role == "system" and "<recalled-memory>" in m.content]
    said = re.findall(r"<turn [^>]*>(.*?)</turn>", recalled[0]) if recalled else []
    return f"You told me: {said[0]}" if said else "Thank you, I will remember that."


@contextmanager
def keepstone_server(store: Path, upstream: str) -> Iterator[tuple[str, str]]:
    """Run a server on *store* whose proxy asks *upstream*, and give its address and its first key."""
    options = ["--port", "0", "--store", str(store), "--set", f"proxy_upstream={upstream}"]
    command = [sys.executable, "-m", "keepstone", "serve", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        url, key = re.search(r"(\S+)/api/v1", said), re.search(r"(ks_\S+)", said)
        assert url is not None, said
        assert key is not None, said
        try:
            yield url[1], key[1]
        finally:
            process.terminate()


def ask(client: OpenAI, text: str) -> str:
    """Say something as alice, and return the reply."""
    reply = client.chat.completions.create(model="scripted", user="alice", messages=[{"role": "user", "content": text}])
    answer = reply.choices[0].message.content or ""
    print(f"> {text}\n{answer}\n")
    return answer


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        ChatServer(provider) as upstream,
        keepstone_server(Path(folder) / "memory.db", upstream.url) as (url, key),
        OpenAI(base_url=f"{url}/v1", api_key=key) as client,
        Client(url, key) as memory,
    ):
        ask(client, "I am allergic to peanuts.")
        while not memory.search("peanuts", user_id="alice"):
            time.sleep(0.05)  # it is learned beside the chat
        answer = ask(client, "Is there anything that I must not eat?")
        assert "allergic to peanuts" in answer


if __name__ == "__main__":
    main()
