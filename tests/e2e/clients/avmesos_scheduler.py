"""A scheduler on an unmodified avmesos, or mesoshttp, its ancestor: one task that ends and one that is killed.

Run as ``python avmesos_scheduler.py LIBRARY MASTER``; prints one JSON line per thing that happened and exits 0 once
both tasks have ended. It runs in an environment of its own and imports nothing of ours.
"""

import json
import sys
from importlib import import_module

library, master = sys.argv[1:]
MesosClient = import_module(f"{library}.client").MesosClient


def say(what, **more):
    print(json.dumps({"what": what, **more}), flush=True)


def task(task_id, agent_id, command):
    return {
        "name": task_id,
        "task_id": {"value": task_id},
        "agent_id": agent_id,
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 16}},
        ],
        "command": {"value": command},
    }


class TwoTasks:
    def __init__(self):
        self.launched = False
        self.ended = set()
        self.client = client = MesosClient(mesos_urls=[f"http://{master}"], frameworkName=f"on {library}")
        client.checkpoint = False
        client.on(MesosClient.SUBSCRIBED, lambda _: say("subscribed", master=client.get_master_info()["hostname"]))
        client.on(MesosClient.OFFERS, self.on_offers)
        client.on(MesosClient.UPDATE, self.on_update)
        client.on(MesosClient.ERROR, lambda message: say("error", message=message))

    def on_offers(self, offers):
        for offer in offers:
            if self.launched:
                offer.decline(options={"filters": {"refuse_seconds": 60}})
                continue
            self.launched = True
            told = offer.get_offer()
            say("offer", resources=sorted(one["name"] for one in told["resources"]))
            tasks = [
                task("to-end", told["agent_id"], "echo hello from a command"),
                task("to-be-killed", told["agent_id"], "exec sleep 1000"),
            ]
            offer.accept(tasks, options={"filters": {"refuse_seconds": 1}})

    def on_update(self, update):
        status = update["status"]
        task_id, state = status["task_id"]["value"], status["state"]
        say("update", task=task_id, state=state)
        driver = self.client.get_driver()
        if (task_id, state) == ("to-be-killed", "TASK_RUNNING"):
            driver.kill(status["agent_id"]["value"], task_id)
        if state in ("TASK_FINISHED", "TASK_KILLED", "TASK_FAILED", "TASK_ERROR"):
            self.ended.add(task_id)
        if len(self.ended) == 2 and not self.client.stop:
            if library == "avmesos":
                driver.suppress()
            driver.revive()
            # Told at the next event, which the offers that REVIVE brings are.
            self.client.tearDown()


both = TwoTasks()
both.client.register()
sys.exit(0 if len(both.ended) == 2 else 1)
