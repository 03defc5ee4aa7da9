"""Nobody but this browser: cookie, Host, Origin, CSRF, one-time address; also on the socket."""

import http.client

import httpx
import msgspec
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from poise.api import contract as wire
from poise.api.server import bind
from poise.api.session import COOKIE, Session
from poise.core.errors import UserError

PATHS = ("/", "/market", "/api/status", "/api/pairs", "/api/nothing", "/assets/x.js", "/api/schema")


def refusal(response: httpx.Response) -> wire.ErrorAnswer:
    answer = msgspec.json.decode(response.content, type=wire.ErrorAnswer)
    assert answer.error
    assert answer.hint
    assert len(answer.request_id) >= 8
    return answer


@pytest.mark.parametrize("path", PATHS)
def test_without_session_nothing_is_shown(desk, path):
    response = httpx.get(desk.base + path)
    assert response.status_code == 401
    refusal(response)
    wrong = httpx.get(desk.base + path, headers={"Cookie": f"{COOKIE}={'0' * 64}"})
    assert wrong.status_code == 401


def test_browser_without_session_is_told_where_to_go(desk):
    response = httpx.get(desk.base + "/", headers={"Accept": "text/html,*/*"})
    assert response.status_code == 401
    assert response.headers["content-type"].startswith("text/html")
    assert "one-time address" in response.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1"]
)
def test_another_host_is_refused(desk, host):
    """A name that an attacker rebinds to 127.0.0.1 stands in Host."""
    headers = {"Cookie": desk.login(), "Host": host.format(port=desk.port)}
    for path in ("/", "/api/status", "/login"):
        response = httpx.get(desk.base + path, headers=headers)
        assert response.status_code == 403
        refusal(response)


def test_two_hosts_are_refused(desk):
    connection = http.client.HTTPConnection("127.0.0.1", desk.port)
    connection.putrequest("GET", "/api/status", skip_host=True)
    connection.putheader("Host", f"127.0.0.1:{desk.port}")
    connection.putheader("Host", "evil.example")
    connection.putheader("Cookie", desk.login())
    connection.endheaders()
    assert connection.getresponse().status in {400, 403}
    connection.close()


def test_localhost_is_the_same_house(desk):
    headers = {"Cookie": desk.login(), "Host": f"localhost:{desk.port}"}
    assert httpx.get(f"{desk.base}/api/status", headers=headers).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", ""])
def test_other_origins_are_refused(desk, origin):
    for response in (
        desk.post("/api/pairs", {"y": 0, "x": 1}, Origin=origin),
        httpx.get(f"{desk.base}/api/status", headers={"Cookie": desk.login(), "Origin": origin}),
    ):
        assert response.status_code == 403
        refusal(response)
        assert "access-control-allow-origin" not in response.headers


def test_command_needs_origin_and_csrf_token(desk):
    body = {"y": 0, "x": 1}
    assert desk.post("/api/pairs", body, Origin=None).status_code == 403
    assert desk.post("/api/pairs", body, X_CSRF_Token=None).status_code == 403
    assert desk.post("/api/pairs", body, X_CSRF_Token="0" * 64).status_code == 403
    assert desk.post("/api/pairs", body, X_CSRF_Token="").status_code == 403
    assert desk.post("/api/pairs", body, Cookie="").status_code == 401
    form = httpx.post(f"{desk.base}/api/pairs", data=body, headers={"Cookie": desk.login()})
    assert form.status_code == 403, "a simple form of another site"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_other_methods_are_commands_too(desk, method):
    response = httpx.request(method, f"{desk.base}/api/status", headers={"Cookie": desk.login()})
    assert response.status_code in {400, 403, 405, 501}


def test_preflight_of_another_site_gets_no_leave(desk):
    headers = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Cookie": desk.login(),
    }
    response = httpx.options(f"{desk.base}/api/pairs", headers=headers)
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_address_works_once(desk):
    desk.login()
    again = httpx.get(f"{desk.base}/login", params={"token": desk.session.token})
    assert again.status_code == 401
    assert "set-cookie" not in again.headers
    for token in ("", "x", desk.session.token + "x", "%00"):
        wrong = httpx.get(f"{desk.base}/login", params={"token": token})
        assert wrong.status_code == 401
    mine = httpx.get(f"{desk.base}/login", params={"token": "x"}, headers={"Cookie": desk.login()})
    assert (mine.status_code, mine.headers["location"]) == (303, "/")


def test_cookie_is_strict():
    session = Session()
    assert len(session.token) >= 43, "256 bits"
    text = session.redeem(session.token)
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(text.split("; "))
    assert "Domain" not in text
    assert session.csrf not in text
    assert session.token not in text


def test_session_outlives_the_edge_but_not_its_token(tmp_path):
    first = Session("t" * 43, tmp_path)
    cookie = first.redeem(first.token).partition(";")[0]
    again = Session("t" * 43, tmp_path)
    assert again.has_cookie([cookie])
    assert again.csrf == first.csrf
    assert again.redeem(again.token) is None, "the address was used before the restart"
    other = Session("u" * 43, tmp_path)
    assert not other.has_cookie([cookie])
    assert other.redeem(other.token) is not None


@pytest.mark.parametrize(
    "text", ["", "a=b", f"{COOKIE}=", f"{COOKIE}=\u00e9", "=;;;\x00", "x" * 9_000]
)
def test_strange_cookies_are_no_session(text):
    assert not Session().has_cookie([text])


@pytest.mark.parametrize("path", ["/", "/api/status", "/api/nothing", "/assets/none.js", "/login"])
def test_every_answer_carries_the_security_headers(desk, path):
    response = desk.get(path)
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert f"ws://127.0.0.1:{desk.port}" in policy
    assert "'unsafe-eval'" not in policy
    assert "script-src 'self';" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "cache-control" in response.headers
    assert "server" not in response.headers


@pytest.mark.parametrize(
    "path",
    ["/../../pyproject.toml", "/assets/..%2f..%2fserver.py", "/%2e%2e/contract.py", "/.stamp"],
)
def test_files_outside_the_build_are_not_served(desk, path):
    connection = http.client.HTTPConnection("127.0.0.1", desk.port)
    connection.request("GET", path, headers={"Cookie": desk.login()})
    answer = connection.getresponse()
    assert answer.status in {400, 404}
    connection.close()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers": {"Cookie": ""}}, 401),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": None}, 403),
        ({"headers": {"Host": "evil.example"}}, 403),
    ],
)
def test_socket_is_guarded_at_the_upgrade(desk, changes, status):
    address = f"ws://127.0.0.1:{desk.port}/ws"
    headers = {"Cookie": desk.login()} | changes.get("headers", {})
    headers = {name: value for name, value in headers.items() if value}
    origin = changes.get("origin", desk.base)
    if "Host" in headers:  # the client library sets its own: ask by hand
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Origin": desk.base,
        }
        assert httpx.get(f"{desk.base}/ws", headers=headers | upgrade).status_code == status
        return
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(address, origin=origin, additional_headers=headers),
    ):
        pass
    assert caught.value.response.status_code == status


def test_binding_beyond_loopback_is_refused():
    with pytest.raises(UserError, match="127.0.0.1 only"):
        bind("0.0.0.0", 0)


def test_port_in_use_names_port_and_option(desk):
    with pytest.raises(UserError, match=rf"port {desk.port} is not free .*--port"):
        bind("127.0.0.1", desk.port)
