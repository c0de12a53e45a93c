"""Static files: those of others are unchanged, and each is found under the hash of its content."""

import hashlib
import re

from keepstone.server.ui.assets import STATIC, address
from tests.server.serving import Serving

VENDOR = STATIC / "vendor"


def test_code_of_others_is_as_listed() -> None:
    listed = dict(re.findall(r"^\| `([^`]+)` .* `([0-9a-f]{64})` \|$", (VENDOR / "THIRD_PARTY.md").read_text(), re.M))
    kept = [p for p in VENDOR.rglob("*") if p.suffix in (".js", ".css")]
    assert {str(p.relative_to(VENDOR)): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept} == listed
    assert all((p.parent / "LICENSE").is_file() for p in kept)


def test_files_are_kept_for_good_under_their_hash(server: Serving) -> None:
    with server.client("") as client:
        answer = client.get(address("app.css"))
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-encoding"] == "gzip"
        plain = client.get(address("app.css"), headers={"Accept-Encoding": "identity"})
        assert plain.content == answer.content == (STATIC / "app.css").read_bytes()
        assert client.get("/ui/static/0123456789abcdef/app.css").status_code == 404


def test_no_file_beside_them_is_sent(server: Serving) -> None:
    digest = address("app.css").split("/")[3]
    with server.client("") as client:
        for name in ("../pages.py", "..%2fpages.py", "%2e%2e/pages.py", "vendor", "", "%2fetc%2fpasswd"):
            # What the client itself makes of dots is a page, for which one has to log in.
            assert client.get(f"/ui/static/{digest}/{name}").status_code in (303, 404)
