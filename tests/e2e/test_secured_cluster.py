"""A cluster that speaks TLS and asks everybody who he is: what works, what does not, and what is shown of secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import uvloop

from mesos_service.configuration.credentials import Credential
from mesos_service.domain.errors import ConfigurationError
from mesos_service.http.client import Connection, ConnectionFault
from mesos_service.http.dialing import PLAIN, Dialing, from_environment, tls_from_environment
from mesos_service.http.tls import TlsFiles, client_context, server_context
from mesos_service.local import AgentSpec, LocalCluster
from mesos_service.master.config import MasterConfig
from mesos_service.sdk import CallRefused, Scheduler, launch, task
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus
from tests.e2e.raw import until
from tests.support.certificates import Authority, Certificate

SECRETS = {"ops": "ops-s3cret", "fw": "fw-s3cret", "agent": "agent-s3cret"}
JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class Secured:
    """Files for a cluster on the loopback address; certificates are of an authority that only it believes."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.host: Certificate = self.authority.vouch_for("localhost", "IP:127.0.0.1")
        self.credentials = folder / "credentials.json"
        entries = [{"principal": name, "secret": secret} for name, secret in SECRETS.items()]
        self.credentials.write_text(json.dumps({"credentials": entries}))
        self.credential = folder / "agent.json"
        self.credential.write_text(json.dumps(entries[2]))
        for file in (self.credentials, self.credential):
            file.chmod(0o600)
        self.tls: dict[str, object] = {
            "ssl_cert_file": str(self.host.cert_file),
            "ssl_key_file": str(self.host.key_file),
            "ssl_ca_file": str(self.authority.ca_file),
        }
        demand = {"authenticate_http_readonly": True, "authenticate_http_readwrite": True}
        self.master = {
            **self.tls,
            **demand,
            "authenticate_http_frameworks": True,
            "authenticate_agents": True,
            "credentials": str(self.credentials),
        }
        self.agent = {**self.tls, **demand, "http_credentials": str(self.credentials), "credential": self.credential}

    def dial(self, principal: str | None = None) -> Dialing:
        dialing = Dialing(tls=client_context(TlsFiles(ca_file=self.authority.ca_file)))
        return dialing if principal is None else dialing.as_principal(Credential(principal, SECRETS[principal]))

    def cluster(self, **agent: object) -> LocalCluster:
        flags = {**self.agent, **agent}
        return LocalCluster([AgentSpec(resources="cpus:2;mem:512")], master_flags=self.master, agent_flags=flags)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Secured:
    return Secured(tmp_path_factory.mktemp("secured"))


async def ask(address: str, dialing: Dialing, path: str, call: object = None) -> tuple[int, Mapping[str, str], bytes]:
    host, _, port = address.rpartition(":")
    connection = await Connection.open(host, int(port), 60, dialing)
    try:
        body = b"" if call is None else json.dumps(call).encode()
        answer = await connection.request("GET" if call is None else "POST", path, body, JSON)
        return answer.status, answer.headers, answer.body
    finally:
        connection.close()


class Once(Scheduler):
    """Runs one command and stops when it has ended."""

    def __init__(self, master: str, dialing: Dialing, principal: str | None = None) -> None:
        super().__init__("once", master, dialing=dialing, principal=principal, failover_timeout_seconds=0)
        self.states: list[str] = []

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self.states.append("subscribed")

    async def offers(self, offers: Sequence[Offer]) -> None:
        if len(self.states) == 1:
            self.states.append("launched")
            await self.accept(offers[:1], [launch(task("t", offers[0], "cpus:0.1;mem:32", "true"))])
            offers = offers[1:]
        await self.decline(*offers)

    async def update(self, status: TaskStatus) -> None:
        self.states.append(status.state)
        if status.state == "TASK_FINISHED":
            self.stop()


def test_m_se_11_m_se_16_a_task_runs_where_everybody_proves_who_he_is(
    secured: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        async with secured.cluster() as cluster:
            scheduler = Once(cluster.master, secured.dial("fw"))
            assert scheduler.framework_info.principal == "fw"
            await asyncio.wait_for(scheduler.run(), 60)
            assert scheduler.states[-1] == "TASK_FINISHED"
            with pytest.raises(CallRefused, match="401"):
                await asyncio.wait_for(Once(cluster.master, secured.dial()).run(), 60)
            with pytest.raises(CallRefused, match="Authenticated principal 'fw' does not match principal 'ops'"):
                await asyncio.wait_for(Once(cluster.master, secured.dial("fw"), "ops").run(), 60)

            for address, service in ((cluster.master, "master"), (cluster.agents[0], "agent")):
                for path, realm in (("/state", "readonly"), ("/flags", "readonly"), ("/metrics", "readonly"),
                                    ("/metrics/snapshot", "readonly"), ("/nowhere", "readwrite")):  # fmt: skip
                    status, headers, body = await ask(address, secured.dial(), path)
                    assert (status, body) == (401, b"401 Unauthorized."), path
                    assert headers["www-authenticate"] == f'Basic realm="mesos-{service}-{realm}"'
                status, headers, _ = await ask(address, secured.dial(), "/api/v1", {"type": "GET_VERSION"})
                assert (status, headers["www-authenticate"]) == (401, f'Basic realm="mesos-{service}-readwrite"')
                assert (await ask(address, secured.dial("ops"), "/api/v1", {"type": "GET_VERSION"}))[0] == 200
                assert (await ask(address, secured.dial(), "/health"))[0] == 200
                shown = b"".join(
                    [(await ask(address, secured.dial("ops"), path))[2] for path in ("/state", "/flags", "/metrics")]
                )
                assert b"credentials" in shown
                assert not [secret for secret in SECRETS.values() if secret.encode() in shown]
            status, headers, _ = await ask(cluster.master, secured.dial(), "/api/v1/agent", {"type": "SUBSCRIBE"})
            assert (status, headers["www-authenticate"]) == (401, 'Basic realm="mesos-master-agent"')
            # A redirect without a scheme keeps TLS.
            status, headers, _ = await ask(cluster.master, secured.dial(), "/redirect")
            assert (status, headers["location"]) == (307, f"//{cluster.master}")

    uvloop.run(scenario())
    assert not [secret for secret in SECRETS.values() if secret in caplog.text]


def test_m_se_11_a_call_in_anothers_name_is_refused(secured: Secured) -> None:
    async def scenario() -> None:
        async with secured.cluster() as cluster:
            host, _, port = cluster.master.rpartition(":")
            stream = await Connection.open(host, int(port), 60, secured.dial("fw"))
            info = {"user": "root", "name": "f", "roles": ["a"], "capabilities": [{"type": "MULTI_ROLE"}]}
            subscribe = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}).encode()
            head, chunks = await stream.stream("POST", "/api/v1/scheduler", subscribe, JSON)
            assert head.status == 200
            record = await anext(chunks)
            subscribed = json.JSONDecoder().raw_decode(record.decode().partition("\n")[2])[0]
            revive = {"type": "REVIVE", "framework_id": subscribed["subscribed"]["framework_id"]}
            headers = {**JSON, "Mesos-Stream-Id": head.headers["mesos-stream-id"]}
            for principal, status, text in (
                ("ops", 400, b"Authenticated principal 'ops' does not match principal 'fw' set in `FrameworkInfo`"),
                ("fw", 202, b""),
            ):
                calls = await Connection.open(host, int(port), 60, secured.dial(principal))
                answer = await calls.request("POST", "/api/v1/scheduler", json.dumps(revive).encode(), headers)
                assert (answer.status, answer.body) == (status, text)
                calls.close()
            stream.close()

    uvloop.run(scenario())


def test_m_se_18_an_agent_with_a_wrong_credential_stays_out_until_it_is_right(
    secured: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mine = tmp_path / "credentials.json"
    mine.write_text("ops x\n")

    async def scenario() -> None:
        cluster = secured.cluster()
        cluster._master_flags["credentials"] = str(mine)
        cluster.dialing = secured.dial()

        async def later() -> None:
            await until(lambda: asyncio.sleep(0, "it knows nobody with this --credential" in caplog.text))
            mine.write_text(secured.credentials.read_text())

        admit = asyncio.create_task(later())
        async with cluster:
            await admit
            assert cluster.agent_services[0].state.registered

    uvloop.run(scenario())


def test_m_se_16_whom_nobody_vouches_for_is_not_believed(secured: Secured, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")

    async def scenario() -> None:
        async with secured.cluster() as cluster:
            for dialing, why in (
                (Dialing(tls=client_context(TlsFiles(ca_file=other.ca_file))), "not to be believed"),
                (Dialing(tls=client_context(TlsFiles())), "not to be believed"),
            ):
                with pytest.raises(ConnectionFault, match=why):
                    await ask(cluster.master, dialing, "/health")
            unverified = Dialing(tls=client_context(TlsFiles(verify_server_cert=False)))
            assert (await ask(cluster.master, unverified, "/health"))[0] == 200
            # Who speaks plainly is hung up on, and so is who says nothing that TLS knows; others are not disturbed.
            with pytest.raises(ConnectionFault):
                await ask(cluster.master, PLAIN, "/health")
            host, _, port = cluster.master.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"\x16\x03\x01" + b"\xff" * 300)
            assert len(await asyncio.wait_for(reader.read(100), 60)) < 100
            writer.close()
            assert (await ask(cluster.master, secured.dial(), "/health"))[0] == 200

    uvloop.run(scenario())


def test_m_se_16_clients_may_have_to_show_a_certificate(secured: Secured, tmp_path: Path) -> None:
    async def scenario() -> None:
        flags = {**secured.tls, "ssl_require_client_cert": True}
        async with LocalCluster(1, master_flags=flags, agent_flags=secured.tls) as cluster:
            assert cluster.agent_services[0].state.registered, "agents show the certificate that they serve with"
            with pytest.raises(ConnectionFault):
                await ask(cluster.master, secured.dial(), "/health")

    uvloop.run(scenario())


def test_commands_learn_from_the_environment_whom_to_believe_and_who_they_are(secured: Secured, tmp_path: Path) -> None:
    ops = tmp_path / "ops"
    ops.write_text(f"ops {SECRETS['ops']}\n")

    async def scenario() -> None:
        async with secured.cluster() as cluster:

            async def command(*words: str, **variables: str) -> tuple[int | None, str]:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "mesos_service.cli.main", *words),
                    env={**os.environ, "MESOS_MASTER": cluster.master, **variables},
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                )
                said, _ = await asyncio.wait_for(process.communicate(), 180)
                return process.returncode, said.decode()

            known = {"MESOS_SSL_CA_FILE": str(secured.authority.ca_file), "MESOS_CREDENTIAL": str(ops)}
            status, said = await command("agents", **known)
            assert (status, "127.0.0.1" in said) == (0, True), said
            status, said = await command("run", "--", "echo", "hello", **known)
            assert status == 0
            assert "hello\n" in said
            status, said = await command("agents", MESOS_SSL_CA_FILE=known["MESOS_SSL_CA_FILE"])
            assert (status, "401" in said) == (1, True), said
            status, said = await command("agents", MESOS_CREDENTIAL=known["MESOS_CREDENTIAL"])
            assert status == 1
            status, said = await command("agents", "--master", f"https://{cluster.master}")
            assert (status, "certificate verify failed" in said) == (1, True), said

    uvloop.run(scenario())


# -- files that are wrong --------------------------------------------------------------------------------------


def test_files_that_cannot_be_used_are_told_of_before_anything_is_served(secured: Secured, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    nothing, text = tmp_path / "nothing.pem", tmp_path / "text.pem"
    text.write_text("hello")
    cert, key = secured.host.cert_file, secured.host.key_file
    for files, sentence in (
        (TlsFiles(cert_file=nothing, key_file=key), f"--ssl_cert_file: cannot read {nothing}"),
        (TlsFiles(cert_file=cert, key_file=nothing), f"--ssl_key_file: cannot read {nothing}"),
        (TlsFiles(cert_file=text, key_file=key), "cannot be used"),
        (TlsFiles(cert_file=cert, key_file=other.own.key_file), "KEY_VALUES_MISMATCH"),
        (TlsFiles(cert_file=cert, key_file=key, ca_file=text, require_client_cert=True), "holds no certificates"),
    ):
        with pytest.raises(ConfigurationError, match=sentence):
            server_context(files)
    for flags, sentence in (
        ({"ssl_cert_file": str(cert)}, "are needed together"),
        ({**secured.tls, "ssl_ca_file": None, "ssl_require_client_cert": True}, "--ssl_ca_file to judge clients by"),
    ):
        with pytest.raises(ConfigurationError, match=sentence):
            MasterConfig.load({name: value for name, value in flags.items() if value is not None})


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(secured: Secured, tmp_path: Path) -> None:
    import subprocess

    locked = tmp_path / "locked.key"
    command = ("openssl", "pkcs8", "-topk8", "-in", str(secured.host.key_file), "-out", str(locked))
    subprocess.run((*command, "-passout", "pass:x"), check=True, capture_output=True)
    with pytest.raises(ConfigurationError, match="the key is encrypted"):
        server_context(TlsFiles(cert_file=secured.host.cert_file, key_file=locked))


def test_below_tls_1_2_nobody_is_served(secured: Secured) -> None:
    context = server_context(TlsFiles(cert_file=secured.host.cert_file, key_file=secured.host.key_file))
    assert context is not None
    for one in (context, client_context(TlsFiles())):
        assert one.minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_environment_says_how_to_dial(secured: Secured, tmp_path: Path) -> None:
    assert from_environment({}) == PLAIN
    assert tls_from_environment({"LIBPROCESS_SSL_ENABLED": "1"}).scheme == "https"
    assert tls_from_environment({"LIBPROCESS_SSL_ENABLED": "false"}) == PLAIN
    dialing = from_environment({"MESOS_CREDENTIAL": f"file://{secured.credential}"})
    assert (dialing.scheme, dialing.principal) == ("http", "agent")
    assert tls_from_environment({"MESOS_CREDENTIAL": str(secured.credential)}).authorization is None
    with pytest.raises(ConfigurationError, match=r"MESOS_CREDENTIAL: .* holds 3 credentials"):
        from_environment({"MESOS_CREDENTIAL": str(secured.credentials)})
