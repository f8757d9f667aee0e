/**
 * A scheduler, and an operator, on clients that @hey-api/openapi-ts and openapi-typescript make of our documents.
 *
 * Run as `node client.js MASTER AGENT` after `tsc`, which checks every call and answer here against the documents;
 * prints one JSON line per thing that happened. `hey_*` are generated functions, `types_*` generated types for openapi-fetch.
 */

import createClient from "openapi-fetch";
import * as agentSide from "./hey_agent/index.js";
import { createClient as createAgentSide } from "./hey_agent/client/index.js";
import { createClient as createMasterSide } from "./hey_master/client/index.js";
import * as masterSide from "./hey_master/index.js";
import type { paths as AgentPaths } from "./types_agent.js";
import type { components, paths as MasterPaths } from "./types_master.js";

const [master, agent] = process.argv.slice(2);
const client = createMasterSide({ baseUrl: `http://${master}` });
const agentClient = createAgentSide({ baseUrl: `http://${agent}` });
const fetched = createClient<MasterPaths>({ baseUrl: `http://${master}` });
const fetchedOfAgent = createClient<AgentPaths>({ baseUrl: `http://${agent}` });

type Event = components["schemas"]["Event"];
type EventOf<Type extends string> = Extract<Event, { type: Type }>;

function say(what: string, more: object): void {
  console.log(JSON.stringify({ what, ...more }));
}

function scalars(resources: masterSide.Resource[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const one of resources) {
    if ((one.name === "cpus" || one.name === "mem") && one.scalar) found[one.name] = one.scalar.value;
  }
  return found;
}

async function* records(stream: ReadableStream<Uint8Array>): AsyncGenerator<Event> {
  const decoder = new TextDecoder();
  let buffer = new Uint8Array();
  for await (const chunk of stream) {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      const newline = buffer.indexOf(10);
      if (newline < 0) break;
      const end = newline + 1 + Number(decoder.decode(buffer.subarray(0, newline)));
      if (buffer.length < end) break;
      yield JSON.parse(decoder.decode(buffer.subarray(newline + 1, end)));
      buffer = buffer.subarray(end);
    }
  }
}

class Scheduler {
  private constructor(
    readonly frameworkId: masterSide.FrameworkId,
    private readonly streamId: string,
    private readonly events: AsyncGenerator<Event>,
  ) {}

  static async subscribe(name: string, role: string): Promise<Scheduler> {
    const { data, response } = await masterSide.schedulerCall({
      client,
      parseAs: "stream",
      body: {
        type: "SUBSCRIBE",
        subscribe: { framework_info: { user: "root", name, roles: [role], capabilities: [{ type: "MULTI_ROLE" }] } },
      },
    });
    const events = records(data as unknown as ReadableStream<Uint8Array>);
    const first = (await events.next()).value as Event;
    if (first.type !== "SUBSCRIBED") throw new Error(`${first.type} comes first`);
    say("subscribed", { every: first.subscribed.heartbeat_interval_seconds });
    return new Scheduler(first.subscribed.framework_id, response!.headers.get("mesos-stream-id")!, events);
  }

  async heard<Type extends Event["type"]>(type: Type): Promise<EventOf<Type>> {
    for (;;) {
      const { value, done } = await this.events.next();
      if (done) throw new Error(`the stream ended before there was ${type}`);
      if (value.type === type) return value as EventOf<Type>;
    }
  }

  async call(body: masterSide.SchedulerCallData["body"]): Promise<void> {
    const headers = { "Mesos-Stream-Id": this.streamId };
    const { response } = await masterSide.schedulerCall({ client, headers, body });
    say("called", { type: body.type, status: response!.status });
  }
}

function task(name: string, offer: masterSide.Offer, cpus: number, mem: number): masterSide.TaskInfo {
  return {
    name,
    task_id: { value: name },
    agent_id: offer.agent_id,
    command: { value: "exec sleep 600" },
    resources: [
      { name: "cpus", type: "SCALAR", scalar: { value: cpus } },
      { name: "mem", type: "SCALAR", scalar: { value: mem } },
    ],
  };
}

// The example of the paper: two tasks of the first framework, and what they leave for the second.
const first = await Scheduler.subscribe("first", "one");
const offer = (await first.heard("OFFERS")).offers.offers![0]!;
say("offered", { to: "first", ...scalars(offer.resources!) });
await first.call({
  type: "ACCEPT",
  framework_id: first.frameworkId,
  accept: {
    offer_ids: [offer.id],
    operations: [
      { type: "LAUNCH", launch: { task_infos: [task("t1", offer, 2, 1024), task("t2", offer, 1, 2048)] } },
    ],
    filters: { refuse_seconds: 600 },
  },
});
const running = new Set<string>();
while (running.size < 2) {
  const { status } = (await first.heard("UPDATE")).update;
  say("update", { task: status.task_id.value, state: status.state });
  if (status.state === "TASK_RUNNING") running.add(status.task_id.value);
  await first.call({
    type: "ACKNOWLEDGE",
    framework_id: first.frameworkId,
    acknowledge: { agent_id: status.agent_id!, task_id: status.task_id, uuid: status.uuid! },
  });
}
const second = await Scheduler.subscribe("second", "two");
const rest = (await second.heard("OFFERS")).offers.offers![0]!;
say("offered", { to: "second", ...scalars(rest.resources!) });

// What operators ask and set: once by functions, once by paths.
const page = await masterSide.getTasks({ client, query: { limit: 1, order: "asc" } });
say("tasks", { names: page.data!.tasks.map((one) => one.name), states: page.data!.tasks.map((one) => one.state) });
const every = await fetched.POST("/api/v1", { body: { type: "GET_TASKS" } });
if (every.data?.type !== "GET_TASKS") throw new Error("no tasks");
say("tasks", { names: every.data.get_tasks!.tasks!.map((one) => one.name).sort(), states: [] });
const windows = [
  {
    machine_ids: [{ hostname: offer.hostname, ip: offer.url!.address.ip! }],
    unavailability: { start: { nanoseconds: 4e18 } },
  },
];
const scheduled = await fetched.POST("/maintenance/schedule", { body: { windows }, parseAs: "text" });
say("scheduled", { status: scheduled.response.status });
const draining = await masterSide.getMaintenanceStatus({ client });
say("draining", { hosts: draining.data!.draining_machines!.map((one) => one.id.hostname) });
const asked = await masterSide.operatorCall({ client, body: { type: "GET_MAINTENANCE_SCHEDULE" } });
if (asked.data?.type !== "GET_MAINTENANCE_SCHEDULE") throw new Error("no schedule");
const schedule = asked.data.get_maintenance_schedule!.schedule;
say("windows", { starts: schedule.windows!.map((one) => one.unavailability.start.nanoseconds) });
const quotaOf = (role: string) => ({
  type: "UPDATE_QUOTA" as const,
  update_quota: { quota_configs: [{ role, limits: { cpus: { value: 1.5 } } }] },
});
const limited = await masterSide.operatorCommand({ client, body: quotaOf("two") });
say("quota", { status: limited.response!.status });
const quota = await fetched.POST("/api/v1", { body: { type: "GET_QUOTA" } });
if (quota.data?.type !== "GET_QUOTA") throw new Error("no quota");
const configs = quota.data.get_quota!.status.configs!;
say("quotas", { of: Object.fromEntries(configs.map((one) => [one.role, one.limits!["cpus"]!.value])) });
const refused = await masterSide.operatorCommand({ client, body: quotaOf("not/") });
say("refused", { status: refused.response!.status, text: refused.error });
const containers = await agentSide.operatorCall({ client: agentClient, body: { type: "GET_CONTAINERS" } });
if (containers.data?.type !== "GET_CONTAINERS") throw new Error("no containers");
const found = containers.data.get_containers!.containers!;
say("containers", { tasks: found.map((one) => one.executor_id!.value).sort() });
const state = await fetchedOfAgent.GET("/state");
say("read", { name: "get_state", status: state.response.status, made: state.data!.frameworks.length });
for (const one of [second, first]) await one.call({ type: "TEARDOWN", framework_id: one.frameworkId });
process.exit(0);
