"""A new certificate takes a signal and no restart (M-SE-16): what is open goes on, and what cannot be used is left."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from pathlib import Path

import pytest
import uvloop

from mesos_service.domain.errors import ConfigurationError
from mesos_service.http.client import Connection, ConnectionFault
from mesos_service.http.dialing import Dialing
from mesos_service.http.tls import RenewableContext, TlsFiles, client_context, renew, server_context
from mesos_service.local import AgentSpec, LocalCluster
from tests.e2e.masters import master
from tests.e2e.raw import until
from tests.support.certificates import Authority, Certificate
from tests.support.ports import fixed_port
from tests.support.waiting import until as wait_until

JSON = {"Accept": "application/json"}


def files(made: Certificate, authority: Authority) -> dict[str, object]:
    names = {"cert": made.cert_file, "key": made.key_file, "ca": authority.ca_file}
    return {f"ssl_{name}_file": str(path) for name, path in names.items()}


def shown(port: int, believed: Path) -> bytes:
    """The certificate that a new connection is shown; empty where nobody serves, or it is not believed."""

    context = ssl.create_default_context(cafile=str(believed))
    try:
        plain = socket.create_connection(("127.0.0.1", port), 60)
        with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped:
            return wrapped.getpeercert(binary_form=True) or b""
    except OSError:
        return b""


def test_m_se_16_sighup_brings_a_new_certificate_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    """M-SE-16: also of another authority, whom new connections then have to believe."""
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    made = first.vouch_for("localhost", "IP:127.0.0.1")
    port, log = fixed_port(), tmp_path / "log"
    with master(port, files(made, first), log) as process:
        before = wait_until("the master serves", lambda: shown(port, first.ca_file))
        first.vouch_for("localhost", "IP:127.0.0.1")
        assert shown(port, first.ca_file) == before
        process.send_signal(signal.SIGHUP)
        wait_until("the new certificate is shown", lambda: shown(port, first.ca_file) not in (b"", before))
        good = made.key_file.read_bytes()
        made.key_file.write_text("no key")
        process.send_signal(signal.SIGHUP)
        wait_until("it says what it cannot use", lambda: "what was in force stays" in log.read_text())
        assert str(made.key_file) in log.read_text()
        assert shown(port, first.ca_file)
        made.key_file.write_bytes(good)
        second.vouch_for("localhost", "IP:127.0.0.1")
        process.send_signal(signal.SIGHUP)
        wait_until("the other authority vouches for it", lambda: shown(port, second.ca_file))
        assert not shown(port, first.ca_file)


def test_sighup_does_not_end_a_service_without_certificates(tmp_path: Path) -> None:
    port, log = fixed_port(), tmp_path / "log"
    with master(port, {}, log) as process:
        wait_until("it leads", lambda: "leads" in log.read_text())
        process.send_signal(signal.SIGHUP)
        wait_until("it says so", lambda: "there are no certificates to read again" in log.read_text())
        assert process.poll() is None


def test_m_se_16_streams_go_on_and_agents_come_back_over_the_new_certificate(tmp_path: Path) -> None:
    """M-SE-16: an authority is exchanged under a running cluster: believe both, exchange, believe one."""
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    made = old.vouch_for("localhost", "IP:127.0.0.1")
    both = tmp_path / "both.pem"
    both.write_bytes(old.ca_file.read_bytes())
    flags = {**files(made, old), "ssl_ca_file": str(both)}

    async def scenario() -> None:
        spec = [AgentSpec(resources="cpus:1;mem:64")]
        async with LocalCluster(spec, master_flags={**flags, "ssl_require_client_cert": True}) as cluster:
            master, (agent,) = cluster.master_service, cluster.agent_services
            assert master is not None
            services = (master, agent)
            both.write_bytes(old.ca_file.read_bytes() + new.ca_file.read_bytes())
            assert [service.renew_certificates() for service in services] == [1, 2]
            (link,) = master.outlets.links.values()
            new.vouch_for("localhost", "IP:127.0.0.1")
            assert [service.renew_certificates() for service in services] == [1, 2]
            # The link that was open is the same one; a new one takes the new certificates on both sides.
            assert list(master.outlets.links.values()) == [link]
            both.write_bytes(new.ca_file.read_bytes())
            assert [service.renew_certificates() for service in services] == [1, 2]
            link.close()

            async def linked_anew() -> bool:
                return any(other is not link for other in master.outlets.links.values())

            await until(linked_anew)

            def showing(certificate: Certificate) -> Dialing:
                names = (certificate.cert_file, certificate.key_file)
                return Dialing(tls=client_context(TlsFiles(cert_file=names[0], key_file=names[1], ca_file=new.ca_file)))

            host, _, port = cluster.master.rpartition(":")
            connection = await Connection.open(host, int(port), 60, showing(made))
            assert (await connection.request("GET", "/health", b"", JSON)).status == 200
            connection.close()
            with pytest.raises(ConnectionFault):
                connection = await Connection.open(host, int(port), 60, showing(old.own))
                await connection.request("GET", "/health", b"", JSON)

    uvloop.run(asyncio.wait_for(scenario(), 180))


def test_contexts_are_renewed_together_or_not_at_all(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, other = (authority.vouch_for(name, "IP:127.0.0.1") for name in ("one", "other"))
    contexts = [server_context(TlsFiles(cert_file=made.cert_file, key_file=made.key_file)) for made in (one, other)]
    assert renew([*contexts, None, ssl.create_default_context()]) == 2
    before = [context._current for context in contexts if isinstance(context, RenewableContext)]
    other.cert_file.unlink()
    with pytest.raises(ConfigurationError, match="cannot read"):
        renew(contexts)
    assert [context._current for context in contexts if isinstance(context, RenewableContext)] == before
