"""A scheduler on an unmodified pymesos: one command task, one task on a pymesos executor, messages both ways.

Run as ``python pymesos_scheduler.py MASTER EXECUTOR_COMMAND``; prints one JSON line per thing that happened and exits 0
once both tasks have finished. It runs in an environment of its own and imports nothing of ours.
"""

import getpass
import json
import sys
import threading

from pymesos import MesosSchedulerDriver, Scheduler, decode_data, encode_data


def say(what, **more):
    print(json.dumps({"what": what, **more}), flush=True)


def resources(cpus, mem):
    return [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": mem}},
    ]


class TwoTasks(Scheduler):
    def __init__(self, executor_command):
        self.executor_command = executor_command
        self.launched = False
        self.finished = set()
        self.answered = False

    def registered(self, driver, framework_id, master_info):
        say("registered", framework_id=framework_id["value"], master=master_info["hostname"])

    def resourceOffers(self, driver, offers):
        for offer in offers:
            if self.launched:
                driver.declineOffer(offer.id, {"refuse_seconds": 60})
                continue
            self.launched = True
            say("offer", resources=sorted(one["name"] for one in offer.resources))
            command = {
                "name": "by-command",
                "task_id": {"value": "by-command"},
                "agent_id": {"value": offer.agent_id.value},
                "resources": resources(0.1, 32),
                "command": {"shell": True, "value": "echo hello from a command"},
            }
            executor = {
                "executor_id": {"value": "pymesos-executor"},
                "framework_id": driver.framework_id and {"value": driver.framework_id},
                "name": "pymesos executor",
                "resources": resources(0.1, 32),
                "command": {"value": self.executor_command},
            }
            by_executor = {
                "name": "by-executor",
                "task_id": {"value": "by-executor"},
                "agent_id": {"value": offer.agent_id.value},
                "resources": resources(0.1, 32),
                "data": encode_data(b"payload"),
                "executor": executor,
            }
            driver.launchTasks(offer.id, [command, by_executor], {"refuse_seconds": 60})

    def statusUpdate(self, driver, update):
        task = update.task_id.value
        data = decode_data(update.data).decode() if update.data else None
        say("update", task=task, state=update.state, data=data, message=update.message or None)
        if task == "by-executor" and update.state == "TASK_RUNNING":
            driver.sendFrameworkMessage({"value": "pymesos-executor"}, update.agent_id, encode_data(b"ping"))
        if update.state in ("TASK_FAILED", "TASK_LOST", "TASK_ERROR", "TASK_KILLED"):
            driver.stop()
        if update.state == "TASK_FINISHED":
            self.finished.add(task)
            if self.finished == {"by-command", "by-executor"}:
                driver.stop()

    def frameworkMessage(self, driver, executor_id, agent_id, message):
        self.answered = True
        say("message", data=decode_data(message).decode())

    def error(self, driver, message):
        say("error", message=message)
        driver.stop()


def main():
    master, executor_command = sys.argv[1:]
    scheduler = TwoTasks(executor_command)
    framework = {"user": getpass.getuser(), "name": "pymesos", "hostname": "localhost", "roles": ["pymesos"]}
    framework["capabilities"] = [{"type": "MULTI_ROLE"}]
    driver = MesosSchedulerDriver(scheduler, framework, master, use_addict=True)
    thread = threading.Thread(target=driver.run, daemon=True)
    thread.start()
    thread.join(60)
    done = scheduler.finished == {"by-command", "by-executor"} and scheduler.answered
    say("end", done=done)
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
