// A scheduler on an unmodified mesos-framework: two command tasks, then TEARDOWN.
//
// Run as `node scheduler.js HOST PORT`; prints one JSON line for each thing that happened, and exits 0 once both tasks
// have finished.
"use strict";

const { Scheduler, Mesos } = require("mesos-framework");

const Messages = Mesos.getMesos();
const [host, port] = process.argv.slice(2);
const tell = (what, more) => console.log(JSON.stringify({ what, ...more }));
let finished = 0;

const scheduler = new Scheduler({
  masterUrl: host,
  port,
  frameworkName: "on-mesos-framework",
  logging: { level: "error" },
  restartStates: [],
  tasks: {
    hello: {
      priority: 1,
      instances: 2,
      commandInfo: new Messages.CommandInfo(null, null, true, "echo hello from node", null, null),
      resources: { cpus: 0.2, mem: 32, ports: 1, disk: 0 },
    },
  },
});

scheduler.on("ready", () => scheduler.subscribe());
scheduler.on("subscribed", (one) => tell("subscribed", { stream: Boolean(one.mesosStreamId) }));
scheduler.on("heartbeat", () => tell("heartbeat"));
scheduler.on("offers", (one) => tell("offers", { offers: one.offers.length }));
scheduler.on("update", (update) => {
  const { task_id: taskId, state } = update.status;
  tell("update", { task: taskId.value, state });
  if (["TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR"].includes(state)) finished += 1;
  if (finished === 2) {
    finished = NaN;
    scheduler.teardown();
  }
});
// TEARDOWN ends the stream, which this library reports as an error.
scheduler.on("error", (error) => {
  tell("error", { message: error.message });
  process.exit(Number.isNaN(finished) ? 0 : 1);
});
