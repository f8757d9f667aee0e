"""Who may come in: credentials in files, realms of paths, and no way around them (M-SE-11, M-SE-18)."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from mesos_service.agent import app as agent_app
from mesos_service.agent.config import AgentConfig
from mesos_service.configuration.credentials import Credential, read_credential, read_credentials
from mesos_service.http.asgi import ACCEPTED, Answered, Call, HotPath, Receive, Scope, Send, respond_text
from mesos_service.http.authentication import LOOK_SECONDS, CredentialStore, Door, Guard, is_at_or_below
from mesos_service.http.calls import receive_call, respond_answered
from mesos_service.http.client import Connection
from mesos_service.http.dialing import PLAIN, basic
from mesos_service.http.server import HttpServer, bind
from mesos_service.master import app as master_app
from mesos_service.master.config import MasterConfig
from mesos_service.wire.openapi import Documents

OPS = Credential("ops", "s3cret:with:colons")
PATH = "/api/v1/scheduler"


def keep(path: Path, *credentials: Credential) -> Path:
    entries = [{"principal": one.principal, "secret": one.secret} for one in credentials]
    path.write_text(json.dumps({"credentials": entries}))
    path.chmod(0o600)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return keep(tmp_path / "credentials.json", OPS, Credential("fw", "fwsecret"))


# -- files ---------------------------------------------------------------------------------------------------


def test_m_se_18_credentials_are_json_or_lines(tmp_path: Path, file: Path) -> None:
    assert read_credentials(file) == (OPS, Credential("fw", "fwsecret"))
    lines = tmp_path / "lines"
    lines.write_text("ops   s3cret\n\nfw fwsecret\n")
    assert read_credentials(lines) == (Credential("ops", "s3cret"), Credential("fw", "fwsecret"))
    one = tmp_path / "one"
    for text in (
        '{"principal": "agent", "secret": "a"}',
        "agent a",
        '{"credentials":[{"principal":"agent","secret":"a"}]}',
    ):
        one.write_text(text)
        assert read_credential(one) == Credential("agent", "a")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no credentials"),
        ('{"credentials": []}', "holds no credentials"),
        ('{"credentials": {}}', "'credentials' is a list"),
        ('{"credentials": ["ops"]}', "credential 1: is an object"),
        ('{"credentials": [{"principal": "ops"}]}', "credential 1: principal 'ops' has no secret"),
        ('{"credentials": [{"secret": "hunter2"}]}', "credential 1: has no principal"),
        ('{"credentials": [{"principal": "a:b", "secret": "hunter2"}]}', "no colon"),
        ('{"credentials": [{"principal": "a", "secret": "hunter2"}', "begins like JSON"),
        ("ops hunter2\nops hunter3", "two secrets for principal 'ops'"),
        ("ops", "line 1: principal 'ops' has no secret"),
        ("{" * 100_000, "begins like JSON"),
        ("\udcff", "is not UTF-8"),
    ],
)
def test_a_bad_file_is_told_without_its_secrets(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "bad"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=sentence) as told:
        read_credentials(path)
    assert "hunter" not in str(told.value)
    assert str(path) in str(told.value)


def test_a_credential_is_not_printed() -> None:
    dialing = PLAIN.as_principal(OPS)
    assert OPS.secret not in repr(OPS) + repr(dialing)
    assert basic(OPS) not in repr(dialing)


# -- proving -------------------------------------------------------------------------------------------------


def header(text: str, scheme: str = "Basic") -> str:
    return f"{scheme} {b64encode(text.encode()).decode()}"


def test_m_se_11_only_the_right_secret_proves_anybody(file: Path) -> None:
    store = CredentialStore(file)
    for _ in range(2):  # The second time it is remembered.
        assert store.principal_of(basic(OPS)) == "ops"
        assert store.principal_of(header("fw:fwsecret", "bAsIc")) == "fw"
    for wrong in (
        None, "", "Basic", "Basic ", "Basic %%%", "Bearer abc", header("ops:s3cret:with:colons", "Bearer"),
        header("ops"), header("ops:"), header(":"), header(""), header("ops:wrong"), header("nobody:"),
        header("OPS:s3cret:with:colons"), header("ops:s3cret:with:colons "), header("fw:s3cret:with:colons"),
        header("ops:s3cret:with:colons") + "=", header("ops:s3cret:with:colons") + ", x", "Basic \udcff",
    ):  # fmt: skip
        assert store.principal_of(wrong) is None


@given(st.one_of(st.text(), st.text().map(header), st.binary().map(lambda raw: f"Basic {b64encode(raw).decode()}")))
def test_no_header_that_was_made_up_proves_anybody(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "made-up.json"
    if not path.exists():
        keep(path, OPS)
    assert CredentialStore(path).principal_of(text) is None


def test_m_se_18_a_changed_file_is_read_again_and_a_broken_one_is_not(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    store = CredentialStore(file, lambda: now)
    keep(file, Credential("ops", "new-secret"))
    assert store.principal_of(basic(OPS)) == "ops"
    now += LOOK_SECONDS
    assert store.principal_of(basic(OPS)) is None
    assert store.principal_of(header("ops:new-secret")) == "ops"
    assert store.principal_of(header("fw:fwsecret")) is None
    file.write_text("{")
    now += LOOK_SECONDS
    assert store.principal_of(header("ops:new-secret")) == "ops"
    file.unlink()
    now += LOOK_SECONDS
    assert store.principal_of(header("ops:new-secret")) == "ops"
    assert "Credentials stay as they were" in caplog.text
    assert "new-secret" not in caplog.text


def test_a_file_that_everybody_may_read_is_warned_of(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    CredentialStore(file)
    assert not caplog.text
    file.chmod(0o644)
    CredentialStore(file)
    assert "chmod o-rwx" in caplog.text


# -- doors ---------------------------------------------------------------------------------------------------


class Endpoint:
    """Takes every call, and notes in whose name it came."""

    def __init__(self) -> None:
        self.came: list[tuple[bytes, str | None]] = []

    def answer(self, call: Call, /) -> Answered | None:
        self.came.append((call.body, call.principal))
        return ACCEPTED

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = await receive_call(scope, receive, send)
        if call is not None:
            await respond_answered(send, self.answer(call) or ACCEPTED)


async def _behind(scope: Scope, receive: Receive, send: Send) -> None:
    await respond_text(send, 200, "behind")


def test_m_se_11_no_call_gets_past_the_guard_whichever_way_it_takes(file: Path) -> None:
    """Short way and long way, alone and pipelined, before and after somebody was let in on the same connection."""

    async def scenario() -> None:
        endpoint = Endpoint()
        guard = Guard(
            HotPath(_behind, {PATH: endpoint}),
            lambda path: Door("mesos-master-scheduler", is_at_or_below(path, [PATH])),
            CredentialStore(file),
        )
        server = HttpServer(guard, bind("127.0.0.1", 0))
        await server.start()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

            def call(body: str, *headers: str, path: str = PATH) -> bytes:
                head = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json"]
                return "\r\n".join([*head, f"Content-Length: {len(body)}", *headers, "", body]).encode()

            ops, wrong = f"Authorization: {basic(OPS)}", f"Authorization: {header('ops:wrong')}"
            chunked = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
            chunked += b"Transfer-Encoding: chunked\r\n\r\n1\r\n9\r\n0\r\n\r\n"
            sent = [
                (call("0"), 401),
                (call("1", wrong), 401),
                (call("2", ops), 202),
                (call("3"), 401),  # Whoever came before on this connection vouches for nobody.
                (call("4", ops, wrong), 401),
                (call("5", f"X-{ops}"), 401),
                (call("6", path=f"{PATH}/"), 401),
                (call("7", path=f"{PATH}/x/../y"), 401),
                (call("8", path=PATH.replace("a", "%61")), 401),
                (chunked, 401),
                (call("10", "Expect: 100-continue"), 401),
                (call("11", ops), 202),
            ]
            for alone in (True, False):
                if not alone:
                    writer.write(b"".join(request for request, _ in sent))
                for request, status in sent:
                    if alone:
                        writer.write(request)
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    while head.startswith("HTTP/1.1 100"):
                        head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    assert head.startswith(f"HTTP/1.1 {status} "), (request, head)
                    length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
                    body = await reader.readexactly(length)
                    if status == 401:
                        assert 'WWW-Authenticate: Basic realm="mesos-master-scheduler"\r\n' in head
                        assert "Content-Type: text/plain; charset=utf-8\r\n" in head
                        assert body == b"401 Unauthorized."
            writer.close()
            assert endpoint.came == 2 * [(b"2", "ops"), (b"11", "ops")]
            async with asyncio.timeout(60):
                connection = await Connection.open("127.0.0.1", server.port, dialing=PLAIN.as_principal(OPS))
                json_headers = {"Content-Type": "application/json"}
                assert (await connection.request("POST", PATH, b"12", json_headers)).status == 202
                connection.close()
        finally:
            await server.stop()

    uvloop.run(scenario())


MASTER = {
    "authenticate_http_readonly": True,
    "authenticate_http_readwrite": True,
    "authenticate_http_frameworks": True,
    "authenticate_agents": True,
}


def paths_of(documents: Documents, *hidden: str) -> set[str]:
    """Every path of a service, the hot ones left out; ``hidden`` are not documented."""
    paths = set(documents.plain["paths"]) | set(hidden)
    return {path for path in paths if not path.endswith(("/scheduler", "/agent", "/executor"))}


def test_m_se_11_every_route_of_a_master_has_a_guarded_door_but_three(file: Path) -> None:
    config = MasterConfig.load({**MASTER, "credentials": str(file)})
    door = master_app.door_of(config)
    paths = paths_of(master_app.openapi_documents(), "/state.json", "/docs", "/openapi.json", "/nowhere")
    assert {"/state", "/api/v1", "/teardown", "/metrics"} <= paths
    for path in (*paths, *master_app.SCHEDULER_PATHS, *master_app.AGENT_PATHS):
        for spelled in (path, f"/master{path}", f"{path}/", f"/master{path}///"):
            assert door(spelled).guarded is (path not in {"/health", "/version", "/redirect"}), spelled
    assert door("/state").realm == door("/master/metrics/snapshot/").realm == "mesos-master-readonly"
    assert door("/api/v1").realm == door("/master/weights").realm == door("/nowhere").realm == "mesos-master-readwrite"
    assert door("/api/v1/scheduler").realm == door("/master/api/v1/scheduler/x").realm == "mesos-master-scheduler"
    for odd in ("//health", "/health/x", "/master/master/health", "/redirect/../state", "/api/v1/schedulers"):
        assert door(odd).guarded, odd


def test_m_se_11_every_route_of_an_agent_has_a_guarded_door_but_two_and_the_executors(
    file: Path, tmp_path: Path
) -> None:
    flags = {"authenticate_http_readonly": True, "authenticate_http_readwrite": True, "http_credentials": str(file)}
    config = AgentConfig.load({**flags, "master": "127.0.0.1:5050", "work_dir": str(tmp_path)})
    door = agent_app.door_of(config)
    paths = paths_of(agent_app.openapi_documents(), "/state.json", "/docs", "/openapi.json", "/nowhere")
    assert {"/state", "/api/v1", "/files/read", "/metrics"} <= paths
    for path in paths:
        for spelled in (path, f"/slave(1){path}", f"{path}/"):
            assert door(spelled).guarded is (path not in {"/health", "/version"}), spelled
    assert door("/files/browse.json").realm == "mesos-agent-readonly"
    assert not door("/slave(1)/api/v1/executor").guarded


@pytest.mark.parametrize("name", MASTER)
def test_a_master_that_is_to_ask_has_to_know_somebody(name: str) -> None:
    with pytest.raises(Exception, match=f"--{name} needs --credentials"):
        MasterConfig.load({name: True})


def test_a_secret_in_a_flag_is_refused_and_not_repeated() -> None:
    with pytest.raises(Exception, match="--credentials: is the path of a file") as told:
        MasterConfig.load({"credentials": "ops hunter2"})
    assert "hunter2" not in str(told.value)
