"""A scheduler, and an operator, on clients that openapi-python-client makes of our documents.

Run as ``python client.py MASTER AGENT`` with the generated packages ``mesos_master`` and ``mesos_agent`` beside it;
prints one JSON line per thing that happened. Every call is made of generated models, and every answer and event is
read by generated code. It imports nothing of ours.
"""

import importlib
import json
import pkgutil
import sys

import httpx
import mesos_agent
import mesos_agent.api
import mesos_master
import mesos_master.api
from mesos_agent import models as of_agent
from mesos_agent.api.agent import operator_call as agent_operator_call
from mesos_master import models as m
from mesos_master.api.maintenance import get_maintenance_status, update_maintenance_schedule
from mesos_master.api.master import get_tasks, operator_call, operator_command
from mesos_master.api.scheduler import scheduler_call

master, agent = sys.argv[1:]
client = mesos_master.Client(base_url=f"http://{master}", timeout=20.0)
agent_client = mesos_agent.Client(base_url=f"http://{agent}", timeout=20.0)


def say(what, **more):
    print(json.dumps({"what": what, **more}), flush=True)


def scalars(resources):
    return {one.name: one.scalar.value for one in resources if one.name in ("cpus", "mem")}


class Scheduler:
    """A subscription; events come out of ``heard``, as the generated code makes them of records."""

    def __init__(self, name, role):
        info = m.FrameworkInfo(user="root", name=name, roles=[role])
        info.capabilities = [m.FrameworkInfoCapability(type_=m.FrameworkInfoCapabilityType.MULTI_ROLE)]
        call = m.SubscribeCall(type_="SUBSCRIBE", subscribe=m.CallSubscribe(framework_info=info))
        http = client.get_httpx_client()
        self.response = http.send(http.build_request(**scheduler_call._get_kwargs(body=call)), stream=True)
        assert self.response.status_code == 200, self.response.read()
        self.stream_id = self.response.headers["Mesos-Stream-Id"]
        self.events = self.read()
        subscribed = self.heard(m.SubscribedEvent)
        self.framework_id = subscribed.subscribed.framework_id
        say("subscribed", every=subscribed.subscribed.heartbeat_interval_seconds)

    def read(self):
        buffer = b""
        for chunk in self.response.iter_bytes():
            buffer += chunk
            while b"\n" in buffer:
                length, _, rest = buffer.partition(b"\n")
                if len(rest) < int(length):
                    break
                event = httpx.Response(200, json=json.loads(rest[: int(length)]))
                yield scheduler_call._parse_response(client=client, response=event)
                buffer = rest[int(length) :]

    def heard(self, kind):
        for event in self.events:
            if isinstance(event, kind):
                return event
        sys.exit(f"the stream ended before there was a {kind.__name__}")

    def call(self, call):
        call.framework_id = self.framework_id
        answer = scheduler_call.sync_detailed(client=client, body=call, mesos_stream_id=self.stream_id)
        say("called", type=call.type_, status=answer.status_code)


def task(name, offer, cpus, mem):
    resources = [
        m.Resource(name=key, type_=m.ResourceType.SCALAR, scalar=m.ValueScalar(value=value))
        for key, value in (("cpus", cpus), ("mem", mem))
    ]
    command = m.CommandInfo(value="exec sleep 600")
    return m.TaskInfo(
        name=name, task_id=m.TaskID(value=name), agent_id=offer.agent_id, resources=resources, command=command
    )


def reads(api, of):
    """Every read that takes no argument: what came, and what the generated code made of it."""
    for found in sorted(one.name for one in pkgutil.walk_packages(api.__path__, f"{api.__name__}.")):
        name = found.rpartition(".")[2]
        if name.startswith("get_"):
            answer = importlib.import_module(found).sync_detailed(client=of)
            say("read", name=name, status=answer.status_code, made=type(answer.parsed).__name__)


# The example of the paper: two tasks of the first framework, and what they leave for the second.
first = Scheduler("first", "one")
offer = first.heard(m.OffersEvent).offers.offers[0]
say("offered", to="first", **scalars(offer.resources))
launch = m.OfferOperationLaunch(task_infos=[task("t1", offer, 2.0, 1024.0), task("t2", offer, 1.0, 2048.0)])
accept = m.CallAccept(
    offer_ids=[offer.id],
    operations=[m.OfferOperation(type_=m.OfferOperationType.LAUNCH, launch=launch)],
    filters=m.Filters(refuse_seconds=600.0),
)
first.call(m.AcceptCall(type_="ACCEPT", framework_id=first.framework_id, accept=accept))
running = set()
while running != {"t1", "t2"}:
    status = first.heard(m.UpdateEvent).update.status
    say("update", task=status.task_id.value, state=str(status.state))
    if status.state == "TASK_RUNNING":
        running.add(status.task_id.value)
    acknowledge = m.CallAcknowledge(agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid)
    first.call(m.AcknowledgeCall(type_="ACKNOWLEDGE", framework_id=first.framework_id, acknowledge=acknowledge))
second = Scheduler("second", "two")
rest = second.heard(m.OffersEvent).offers.offers[0]
say("offered", to="second", **scalars(rest.resources))

# What operators ask and set.
page = get_tasks.sync(client=client, limit=1, order=m.GetTasksOrder.ASC)
say("tasks", names=[one.name for one in page.tasks], states=[str(one.state) for one in page.tasks])
every = operator_call.sync(client=client, body=m.OperatorGetTasksCall(type_="GET_TASKS"))
say("tasks", names=sorted(one.name for one in every.get_tasks.tasks), states=[])
window = m.Window(
    machine_ids=[m.MachineID(hostname=offer.hostname, ip=offer.url.address.ip)],
    unavailability=m.Unavailability(start=m.TimeInfo(nanoseconds=4_000_000_000_000_000_000)),
)
answer = update_maintenance_schedule.sync_detailed(client=client, body=m.Schedule(windows=[window]))
say("scheduled", status=answer.status_code)
draining = get_maintenance_status.sync(client=client).draining_machines
say("draining", hosts=[one.id.hostname for one in draining])
asked = operator_call.sync(client=client, body=m.OperatorGetMaintenanceScheduleCall(type_="GET_MAINTENANCE_SCHEDULE"))
starts = [one.unavailability.start.nanoseconds for one in asked.get_maintenance_schedule.schedule.windows]
say("windows", starts=starts)
limits = m.QuotaConfigLimits()
limits["cpus"] = m.ValueScalar(value=1.5)
config = m.QuotaConfig(role="two", limits=limits)
update = m.OperatorCallUpdateQuota(quota_configs=[config])
change = m.OperatorUpdateQuotaCall(type_="UPDATE_QUOTA", update_quota=update)
answer = operator_command.sync_detailed(client=client, body=change)
say("quota", status=answer.status_code)
quota = operator_call.sync(client=client, body=m.OperatorGetQuotaCall(type_="GET_QUOTA"))
say("quotas", of={one.role: one.limits["cpus"].value for one in quota.get_quota.status.configs})
config.role = "not/"
refused = operator_command.sync_detailed(client=client, body=change)
say("refused", status=refused.status_code, text=refused.parsed)
containers = agent_operator_call.sync(
    client=agent_client, body=of_agent.OperatorGetContainersCall(type_="GET_CONTAINERS")
)
say("containers", tasks=sorted(one.executor_id.value for one in containers.get_containers.containers))
reads(mesos_master.api, client)
reads(mesos_agent.api, agent_client)
for one in (second, first):
    one.call(m.TeardownCall(type_="TEARDOWN", framework_id=one.framework_id))
    one.response.close()
