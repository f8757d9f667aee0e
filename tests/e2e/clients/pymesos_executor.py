"""An executor on an unmodified pymesos: runs its task until it is sent a message, answers it, and finishes."""

import sys
import threading

from pymesos import Executor, MesosExecutorDriver, decode_data, encode_data


class Echo(Executor):
    def __init__(self):
        self.asked = threading.Event()
        self.shut_down = threading.Event()

    def registered(self, driver, executor_info, framework_info, agent_info):
        print("registered as", executor_info.executor_id.value, flush=True)

    def launchTask(self, driver, task):
        def run():
            driver.sendStatusUpdate({"task_id": task.task_id, "state": "TASK_RUNNING"})
            print("task data:", decode_data(task.data).decode(), flush=True)
            self.asked.wait(30)
            state = "TASK_FINISHED" if self.asked.is_set() else "TASK_FAILED"
            driver.sendStatusUpdate({"task_id": task.task_id, "state": state, "data": encode_data(b"result")})

        threading.Thread(target=run, daemon=True).start()

    def frameworkMessage(self, driver, message):
        driver.sendFrameworkMessage(encode_data(b"pong: " + decode_data(message)))
        self.asked.set()

    def shutdown(self, driver):
        print("shut down", flush=True)
        self.shut_down.set()
        driver.stop()


if __name__ == "__main__":
    MesosExecutorDriver(Echo(), use_addict=True).run()
    sys.exit(0)
