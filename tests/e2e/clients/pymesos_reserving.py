"""A scheduler on an unmodified pymesos that reserves disk, makes a volume and writes there, then gives all of it back.

Run as ``python pymesos_reserving.py MASTER``; prints one JSON line per thing that happened and exits 0 once nothing is
reserved any more. It knows nothing of refined reservations, so that reservations are said in the older way.
"""

import getpass
import json
import sys
import threading

from pymesos import MesosSchedulerDriver, Scheduler


def say(what, **more):
    print(json.dumps({"what": what, **more}), flush=True)


def scalar(name, value, **more):
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


DISK = scalar("disk", 16, role="keep", reservation={"principal": "keeper"})
VOLUME = {
    **DISK,
    "disk": {
        "persistence": {"id": "kept", "principal": "keeper"},
        "volume": {"mode": "RW", "container_path": "kept"},
    },
}


class Reserving(Scheduler):
    def __init__(self):
        self.step = "begin"

    def resourceOffers(self, driver, offers):
        for offer in offers:
            ids = [{"value": offer.id.value}]
            reserved = [one.to_dict() for one in offer.resources if one.get("reservation")]
            volumes = [one for one in reserved if one.get("disk")]
            soon = {"refuse_seconds": 0.1}
            if self.step == "begin":
                self.step = "writing"
                task = {
                    "name": "write",
                    "task_id": {"value": "write"},
                    "agent_id": {"value": offer.agent_id.value},
                    "resources": [scalar("cpus", 0.1), scalar("mem", 32), VOLUME],
                    "command": {"shell": True, "value": "echo kept > kept/file"},
                }
                operations = [
                    {"type": "RESERVE", "reserve": {"resources": [DISK]}},
                    {"type": "CREATE", "create": {"volumes": [VOLUME]}},
                    {"type": "LAUNCH", "launch": {"task_infos": [task]}},
                ]
                driver.acceptOffers(ids, operations, soon)
            elif self.step == "written" and volumes:
                self.step = "giving back"
                say("offer", volume=volumes[0])
                operations = [
                    {"type": "DESTROY", "destroy": {"volumes": [VOLUME]}},
                    {"type": "UNRESERVE", "unreserve": {"resources": [DISK]}},
                ]
                driver.acceptOffers(ids, operations, soon)
            elif self.step == "giving back" and not reserved:
                self.step = "done"
                driver.stop()
            else:
                driver.declineOffer(offer.id, soon)

    def statusUpdate(self, driver, update):
        say("update", state=update.state, message=update.message or None)
        if update.state == "TASK_FINISHED":
            self.step = "written"
        elif update.state not in ("TASK_STARTING", "TASK_RUNNING"):
            driver.stop()

    def error(self, driver, message):
        say("error", message=message)
        driver.stop()


def main():
    scheduler = Reserving()
    framework = {"user": getpass.getuser(), "name": "pymesos", "hostname": "localhost", "roles": ["keep"]}
    framework |= {"capabilities": [{"type": "MULTI_ROLE"}], "principal": "keeper"}
    driver = MesosSchedulerDriver(scheduler, framework, sys.argv[1], use_addict=True)
    thread = threading.Thread(target=driver.run, daemon=True)
    thread.start()
    thread.join(60)
    say("end", step=scheduler.step)
    sys.exit(0 if scheduler.step == "done" else 1)


if __name__ == "__main__":
    main()
