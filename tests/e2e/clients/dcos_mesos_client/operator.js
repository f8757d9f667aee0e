// The stream of an unmodified @dcos/mesos-client, as a page of a browser reads it.
//
// Run as `node operator.js HOST:PORT FRAMEWORK`; prints one JSON line for each thing that happened, and exits 0 once a
// framework of that name has gone.
"use strict";

const { JSDOM } = require("jsdom");

const [address, name] = process.argv.slice(2);
const { window } = new JSDOM("", { url: `http://${address}/` });
// What the library takes from the page that it is on.
global.window = window;
global.XMLHttpRequest = window.XMLHttpRequest;

const { request, stream } = require("@dcos/mesos-client");

const tell = (what, more) => console.log(JSON.stringify({ what, ...more }));
const failed = ({ code, message }) => {
  tell("error", { code, message });
  process.exit(1);
};
const followed = new Set();

request({ type: "GET_HEALTH" }, "/api/v1").subscribe((answer) => tell("answer", JSON.parse(answer)), failed);
stream({ type: "SUBSCRIBE" }, "/api/v1").subscribe((record) => {
  const event = JSON.parse(record);
  const task = event.task_added ? event.task_added.task.name : undefined;
  tell("event", { type: event.type, task, state: event.task_updated && event.task_updated.state });
  const added = event.framework_added && event.framework_added.framework.framework_info;
  if (added && added.name === name) followed.add(added.id.value);
  const gone = event.framework_removed && event.framework_removed.framework_info;
  if (gone && followed.has(gone.id.value)) process.exit(0);
}, failed);
