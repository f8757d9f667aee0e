"""``mesos-service run``: a framework of one command. Submits it, shows how it fares and what it says, ends as it ended.

What the command writes goes to our standard output and error; what is told about it goes to standard error, each line
after ``run:``. The framework ends with us: its failover timeout is zero, so nothing is left behind (M-CL-02).
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import refuse_id
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES
from mesos_service.http.client import ConnectionFault
from mesos_service.http.dialing import PLAIN, Dialing
from mesos_service.sdk.errors import NotConnected
from mesos_service.sdk.sandbox import SandboxFile, agent_of, sandbox_path
from mesos_service.sdk.scheduler import Scheduler
from mesos_service.sdk.subscription import Address
from mesos_service.sdk.tasks import available, command_info, take, task
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.containers import CommandInfo
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus

EXIT_FAILED: Final = 1
EXIT_TIMED_OUT: Final = 124
"""As timeout(1) has it."""
EXIT_INTERRUPTED: Final = 128 + signal.SIGINT

PATIENCE_SECONDS: Final = 2.0
"""How long a master is looked for before we say that there is none."""
WAITING_SECONDS: Final = 3.0
"""How long a command waits for resources before we say for what."""
OUTPUT_SECONDS: Final = 0.1
"""Between two looks at a command's output."""
AWAY_SECONDS: Final = 1.0
"""The same while its agent does not answer."""
KILL_SECONDS: Final = 10.0
"""How long killed tasks may take to end before we leave them to the master."""
REFUSE_SECONDS: Final = 1.0
NEVER_THERE: Final = ("TASK_GONE", "TASK_UNKNOWN", "TASK_LOST")

_EXITED: Final = re.compile(r"Command exited with status (\d+)")
_SIGNALLED: Final = re.compile(r"Command terminated with signal ([A-Za-z0-9 ]*[A-Za-z0-9])")
_SIGNALS: Final = {signal.strsignal(number): int(number) for number in signal.valid_signals()}


@dataclass(slots=True)
class Instance:
    """One task to be run."""

    task_id: str
    agent_id: str | None = None
    """Where it was launched; ``None`` before."""
    seen: bool = False
    """Some update of it has come, so it is known to have been launched."""
    output: asyncio.Task[None] | None = None
    exit_code: int | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)


class CommandScheduler(Scheduler):
    """Launches ``instances`` of one command, each once, wherever they fit."""

    def __init__(
        self,
        master: str,
        name: str,
        command: CommandInfo,
        needs: Resources,
        instances: int,
        role: str,
    ) -> None:
        super().__init__(
            name,
            master,
            roles=[role],
            failover_timeout_seconds=0.0,
            checkpoint=True,
            patience_seconds=PATIENCE_SECONDS,
        )
        ids = [name] if instances == 1 else [f"{name}-{number}" for number in range(instances)]
        self.instances = {task_id: Instance(task_id) for task_id in ids}
        self.ended = asyncio.Event()
        self._command = command
        self._needs = needs
        self._best_offer: str | None = None
        self._ending = False

    # -- events ----------------------------------------------------------------------------------------------
    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        tell(f"framework {framework_id} at {self.master}")
        launched = self._launched()
        if launched:
            await self.reconcile(*((one.task_id, one.agent_id) for one in launched))

    async def disconnected(self, reason: str) -> None:
        tell(f"lost the master ({reason}); looking for it")

    async def offers(self, offers: Sequence[Offer]) -> None:
        for offer in offers:
            await self._use(offer)

    async def _use(self, offer: Offer) -> None:
        held = available(offer)
        chosen: list[tuple[Instance, Resources]] = []
        for instance in self._waiting():
            part = take(held, self._needs)
            if part is None:
                break
            held -= part
            chosen.append((instance, part))
        if not chosen:
            self._best_offer = f"{held} on {offer.hostname}"
            await self.decline(offer, refuse_seconds=REFUSE_SECONDS)
            return
        infos = []
        for instance, part in chosen:
            instance.agent_id = offer.agent_id.value
            infos.append(task(instance.task_id, offer, part, self._command))
            self._follow(instance, offer)
        await self.launch(offer, *infos)
        tell(f"launched {', '.join(instance.task_id for instance, _ in chosen)} on {offer.hostname}")
        if not self._waiting():
            await self.suppress()

    async def update(self, status: TaskStatus) -> None:
        instance = self.instances.get(status.task_id.value)
        if instance is None or instance.over.is_set():
            return
        if not instance.seen and status.reason == "REASON_RECONCILIATION" and status.state in NEVER_THERE:
            tell(f"{instance.task_id}: the launch was lost on its way; waiting for an offer again")
            self._forget_launch(instance)
            await self.revive()
            return
        instance.seen = True
        tell(f"{instance.task_id}: {status.state}" + (f" ({status.message})" if status.message else ""))
        if status.state in TERMINAL_STATES:
            instance.exit_code = exit_code(status)
            instance.over.set()
        if all(one.over.is_set() for one in self.instances.values()):
            self.ended.set()

    # -- what run_command asks for ---------------------------------------------------------------------------
    def shortage(self) -> str | None:
        """What is being waited for, or ``None`` when nothing is, or when there is no master to wait for."""
        waiting = self._waiting()
        if not waiting or self.master is None:
            return None
        offered = f"offered was at most {self._best_offer}" if self._best_offer else "nothing was offered yet"
        return f"{len(waiting)} of {len(self.instances)} not launched: each needs {self._needs}; {offered}"

    async def finish_output(self) -> None:
        """Wait until all output of tasks that are over has been shown."""
        await asyncio.gather(*(one.output for one in self.instances.values() if one.output is not None))

    async def end(self) -> None:
        """Kill what runs, wait for it, and launch nothing more."""
        self._ending = True
        running = self._launched()
        try:
            for instance in running:
                await self.kill(instance.task_id)
            async with asyncio.timeout(KILL_SECONDS):
                for instance in running:
                    await instance.over.wait()
        except (NotConnected, TimeoutError) as fault:
            # Teardown, or the end of our connection, ends them: the failover timeout is zero.
            tell(f"not all tasks have told their end: {fault or 'timed out'}")

    def stop_output(self) -> None:
        """Look no further for output."""
        for instance in self.instances.values():
            if instance.output is not None:
                instance.output.cancel()

    def _waiting(self) -> list[Instance]:
        return [] if self._ending else [one for one in self.instances.values() if one.agent_id is None]

    def _launched(self) -> list[Instance]:
        return [one for one in self.instances.values() if one.agent_id is not None and not one.over.is_set()]

    def _forget_launch(self, instance: Instance) -> None:
        instance.agent_id = None
        if instance.output is not None:
            instance.output.cancel()
            instance.output = None

    def _follow(self, instance: Instance, offer: Offer) -> None:
        framework_id = self.framework_id
        assert framework_id is not None, "who has an offer is subscribed"
        agent, prefix = agent_of(offer)
        sandbox = sandbox_path(framework_id, instance.task_id)
        label = f"{instance.task_id}: " if len(self.instances) > 1 else ""
        instance.output = asyncio.create_task(show_output(instance.over, agent, prefix, sandbox, label, self.dialing))


async def show_output(
    over: asyncio.Event, agent: Address, prefix: str, sandbox: str, label: str, dialing: Dialing = PLAIN
) -> None:
    """Copy a command's stdout and stderr to ours as they grow, until it is over and all is shown.

    With a ``label`` whole lines are shown, each after it. While the agent does not answer nothing is lost: one that
    was restarted has the same files.
    """
    streams = [
        (SandboxFile(agent, prefix, f"{sandbox}/stdout", dialing), Lines(sys.stdout.write, label)),
        (SandboxFile(agent, prefix, f"{sandbox}/stderr", dialing), Lines(sys.stderr.write, label)),
    ]
    name = sandbox.split("/")[-3]
    try:
        ended, away = False, False
        while not ended:
            # Asked for first: what a command wrote is in the file before its end is told.
            ended = over.is_set()
            try:
                for file, lines in streams:
                    while page := await file.read():
                        lines.write(page)
                away = False
            except ConnectionFault as fault:
                if ended:
                    tell(f"output of {name} cannot be read any more: {fault}")
                elif not away:
                    tell(f"output of {name} is shown when its agent answers again: {fault}")
                away = True
            sys.stdout.flush()
            sys.stderr.flush()
            if not ended:
                try:
                    async with asyncio.timeout(AWAY_SECONDS if away else OUTPUT_SECONDS):
                        await over.wait()
                except TimeoutError:
                    continue
    finally:
        for file, lines in streams:
            lines.end()
            file.close()


class Lines:
    """Writes text on, with a label before each line; without one, as it comes."""

    def __init__(self, write: Callable[[str], object], label: str) -> None:
        self._write = write
        self._label = label
        self._begun = ""

    def write(self, text: str) -> None:
        """Write what is complete."""
        if not self._label:
            self._write(text)
            return
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._write(f"{self._label}{line}\n")

    def end(self) -> None:
        """Write what was left without a line's end."""
        if self._begun:
            self._write(f"{self._label}{self._begun}\n")
            self._begun = ""


def run_command(
    command: Sequence[str],
    *,
    master: str,
    name: str,
    resources: str,
    instances: int,
    role: str,
    environment: Mapping[str, str],
    uris: Sequence[str],
    timeout_seconds: float | None,
) -> int:
    """Run a command and return its exit status; of several instances the first that is not zero.

    One argument alone is for the shell; several are a program and its arguments. 124 when ``timeout_seconds`` ran out,
    130 after Ctrl-C.

    Raises:
        ConfigurationError: something asked for makes no sense.
        OperatingFault: there is no master.
        MesosServiceError: the master refused the framework.
    """
    try:
        needs = Resources.parse(resources)
    except ValueError as error:
        raise ConfigurationError(f"--resources: {error}") from error
    if not needs:
        raise ConfigurationError("--resources: a command needs something, such as cpus:0.1;mem:32")
    refusal = refuse_id(name)
    if refusal is not None:
        raise ConfigurationError(f"--name: {refusal}")
    words: str | Sequence[str] = command[0] if len(command) == 1 else command
    info = command_info(words, environment=environment, uris=uris)
    try:
        scheduler = CommandScheduler(master, name, info, needs, instances, role)
    except ValueError as error:
        raise ConfigurationError(f"--master: {error}") from error
    return asyncio.run(run_until_ended(scheduler, timeout_seconds))


async def run_until_ended(scheduler: CommandScheduler, timeout_seconds: float | None) -> int:
    """Run the scheduler until its instances have ended, time is up, or a signal comes; the exit status."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    running = asyncio.create_task(scheduler.run())
    reminder = asyncio.create_task(_remind(scheduler))
    ended = asyncio.create_task(scheduler.ended.wait())
    stopped = asyncio.create_task(interrupted.wait())
    started = time.monotonic()
    try:
        done, _ = await asyncio.wait(
            [running, ended, stopped], timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if running in done:
            # It ends by itself only with a fault, which is told by whoever called us.
            await running
        if ended in done:
            await scheduler.finish_output()
            code = next((one.exit_code for one in scheduler.instances.values() if one.exit_code), 0)
        elif stopped in done:
            tell("interrupted; killing what runs")
            await _end(scheduler, interrupted)
            code = EXIT_INTERRUPTED
        else:
            tell(f"timed out after {time.monotonic() - started:.0f} s; killing what runs")
            await _end(scheduler, interrupted)
            code = EXIT_TIMED_OUT
        if not running.done():
            await _tear_down(scheduler, running)
        return code
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        for helper in (reminder, ended, stopped):
            helper.cancel()
        scheduler.stop_output()
        scheduler.stop()


async def _end(scheduler: CommandScheduler, interrupted: asyncio.Event) -> None:
    """Kill and show the rest of the output; a second interrupt ends the waiting."""
    interrupted.clear()
    ending = asyncio.create_task(_end_and_show(scheduler))
    again = asyncio.create_task(interrupted.wait())
    await asyncio.wait([ending, again], return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    if ending.done():
        ending.result()
    else:
        ending.cancel()


async def _end_and_show(scheduler: CommandScheduler) -> None:
    await scheduler.end()
    if all(one.over.is_set() for one in scheduler.instances.values() if one.agent_id is not None):
        await scheduler.finish_output()


async def _tear_down(scheduler: CommandScheduler, running: asyncio.Task[None]) -> None:
    try:
        await scheduler.teardown()
        await running
    except NotConnected as fault:
        tell(f"the framework could not be torn down; the master will do it: {fault}")


async def _remind(scheduler: CommandScheduler) -> None:
    """Say from time to time, and less and less often, what is waited for."""
    pause_seconds = WAITING_SECONDS
    while True:
        await asyncio.sleep(pause_seconds)
        shortage = scheduler.shortage()
        if shortage is not None:
            tell(f"waiting; {shortage}")
            pause_seconds *= 2


def exit_code(status: TaskStatus) -> int:
    """The exit status for a task's last word: its command's own, 128 and the signal's number, or 1."""
    message = status.message or ""
    if exited := _EXITED.search(message):
        return int(exited.group(1))
    if signalled := _SIGNALLED.search(message):
        number = _SIGNALS.get(signalled.group(1))
        return EXIT_FAILED if number is None else 128 + number
    return 0 if status.state == "TASK_FINISHED" else EXIT_FAILED


def tell(text: str) -> None:
    """A line about the command, apart from the command's own."""
    print(f"run: {text}", file=sys.stderr, flush=True)
