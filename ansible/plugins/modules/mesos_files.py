"""Directories, files and links of a service, all in one go."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesos_files
short_description: Directories, files and links of a service
version_added: 0.1.0
description:
  - Makes directories, files and links what they are said to be, in the order in which they are named, and stops at the
    first that cannot be. What takes a dozen tasks of other modules, each with its way to the host, is one here.
  - A file is written beside its place and moved there, so that nobody reads half of one.
  - Where I(unit) is named, says whether it still runs with what was there before, also where an earlier run wrote the
    files and never came to restart it.
options:
  files:
    description: What there is to be.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where; absolute. The directory that it is in has to be there, or come before it.
        type: str
        required: true
      state:
        description:
          - What is there. C(absent) removes files and links, and refuses directories.
          - A link of root's to a directory is as good as the C(directory), which then is given its owner and mode.
        type: str
        choices: [file, directory, link, absent]
        default: file
      content:
        description: What is in the file.
        type: str
      source:
        description: What the link names.
        type: str
      owner:
        description: Whose it is.
        type: str
        default: root
      group:
        description: Whose group's it is.
        type: str
        default: root
      mode:
        description: Who may do what, in octal digits with a 0 in front; not of links.
        type: str
        default: "0644"
      validate:
        description: A command that accepts the file before it is moved to its place; C(%s) in it is the file.
        type: str
      environment:
        description: Environment variables that the command has besides, as the service will.
        type: dict
        default: {}
      secret:
        description: Whether the content is shown to nobody, not as a difference either.
        type: bool
        default: false
      applies:
        description: Whether there is anything to do about this one at all.
        type: bool
        default: true
      restarts:
        description: Whether I(unit) has to be started again to heed it.
        type: bool
        default: false
      reloads:
        description: Whether I(unit) heeds it when it is reloaded.
        type: bool
        default: false
  unit:
    description: The unit of systemd that reads the files.
    type: str
author: [The mesos-service contributors (@mesos-service)]
attributes:
  check_mode:
    support: full
    description: Says what would change, and changes nothing.
  diff_mode:
    support: full
    description: Shows what changes in files that are no secret.
"""

EXAMPLES = r"""
- name: Write the flags and the unit
  mesos_service.cluster.mesos_files:
    unit: mesos-agent.service
    files:
      - {path: /var/lib/mesos-agent, state: directory, mode: "0755"}
      - path: /etc/mesos-service/agent.toml
        content: "{{ lookup('ansible.builtin.template', 'agent.toml.j2') }}"
        validate: /opt/mesos-service/0.1.0/bin/mesos-service agent --check_config --config %s
        restarts: true
"""

RETURN = r"""
paths:
  description: What changed, or would.
  returned: success
  type: list
  elements: str
  sample: [/etc/mesos-service/agent.toml]
stale:
  description: Whether I(unit) runs, and was started before the newest of what restarts it.
  returned: success
  type: bool
unread:
  description:
    - Whether I(unit) runs, and was neither started nor reloaded after the newest of what reloads it. Whoever reloads it
      then touches the file C(/run/UNIT.reloaded).
  returned: success
  type: bool
runs:
  description: Whether I(unit) is active now and after a reboot, and systemd has read its file.
  returned: success
  type: bool
known:
  description: Whether systemd has a unit of that name.
  returned: success
  type: bool
"""

import base64
import contextlib
import grp
import os
import pwd
import re
import shlex
import stat
import tempfile
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

SPEC = {
    "path": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["file", "directory", "link", "absent"], "default": "file"},
    "content": {"type": "str"},
    # In base64, as the action plug-in sends it: a text on its way through a log would be one that somebody reads.
    "encoded": {"type": "str", "no_log": True},
    "source": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "validate": {"type": "str"},
    "environment": {"type": "dict", "default": {}},
    "secret": {"type": "bool", "default": False, "no_log": False},
    "applies": {"type": "bool", "default": True},
    "restarts": {"type": "bool", "default": False},
    "reloads": {"type": "bool", "default": False},
}
PROPERTIES = (
    *("LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload"),
    *("MainPID", "ExecMainStartTimestampMonotonic"),
)


class Refused(Exception):
    """It cannot be what it is to be; the text says why."""


def kind_of(path):
    """What is there: file, directory, link, absent, or something else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return "absent"
    for kind, test in (("link", stat.S_ISLNK), ("file", stat.S_ISREG), ("directory", stat.S_ISDIR)):
        if test(mode):
            return kind
    return "other"


class Place:
    """One of ``files``; ``apply`` makes it so, and says whether anything had to change."""

    def __init__(self, module, wanted):
        self._module, self._wanted, self._path = module, wanted, Path(wanted["path"])
        self._check = module.check_mode
        self.diff = None

    def apply(self):
        if not self._path.is_absolute():
            raise Refused("is no absolute path")
        there, state = kind_of(self._path), self._wanted["state"]
        if there == "link" and state == "directory" and self._path.lstat().st_uid == 0 and self._path.is_dir():
            # Root has it elsewhere, such as on a disk with room.
            self._path, there = self._path.resolve(), "directory"
        if there == "other" or (there not in ("absent", state) and "directory" in (there, state)):
            raise Refused(
                f"is to be {state} and is {'something else' if there == 'other' else there}; nothing was removed"
            )
        changed = getattr(self, f"_{state}")(there)
        return (self._own() or changed) if state in ("file", "directory") else changed

    def _absent(self, there):
        if there != "absent" and not self._check:
            self._path.unlink()
        return there != "absent"

    def _directory(self, there):
        if there == "absent" and not self._check:
            self._path.mkdir(0o700)
        return there == "absent"

    def _link(self, there):
        source = self._wanted["source"] or ""
        if there == "link" and str(self._path.readlink()) == source:
            return False
        if there == "file":
            raise Refused("is to be a link and is a file; nothing was removed")
        if not self._check:
            if not Path(source).exists():
                raise Refused(f"would name {source or 'nothing'}, which is not there")
            # Moved over the old one: at no moment is there none. In a directory of its own, since an earlier run that
            # was killed may have left any name.
            with tempfile.TemporaryDirectory(prefix=".ansible-", dir=self._path.parent) as beside:
                fresh = Path(beside) / "link"
                fresh.symlink_to(source)
                fresh.rename(self._path)
        return True

    def _file(self, there):
        content = base64.b64decode(self._wanted["encoded"] or "") or (self._wanted["content"] or "").encode()
        old = b""
        if there == "file":
            with self._opened() as number, os.fdopen(number, "rb", closefd=False) as file:
                old = file.read()
            if old == content:
                return False
        if not self._wanted["secret"]:
            texts = [part.decode(errors="replace") for part in (old, content)]
            names = {"before_header": str(self._path), "after_header": str(self._path)}
            self.diff = {"before": texts[0], "after": texts[1], **names}
        if not self._check:
            self._write(content)
        return True

    def _write(self, content):
        owner, group, mode = self._ids()
        descriptor, beside = tempfile.mkstemp(prefix=".ansible-", dir=self._path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                os.fchown(file.fileno(), owner, group)
                os.fchmod(file.fileno(), mode)
            self._see_valid(beside)
            Path(beside).rename(self._path)
        except BaseException:
            Path(beside).unlink()
            raise

    def _see_valid(self, file):
        if self._wanted["validate"]:
            command = shlex.split(self._wanted["validate"].replace("%s", shlex.quote(file)))
            environment = {name: str(value) for name, value in self._wanted["environment"].items()}
            status, out, err = self._module.run_command(command, environ_update=environment)
            if status != 0:
                raise Refused(f"was refused by {command[0]}: {(err or out).strip()}")

    def _ids(self):
        """Owner, group and mode, as numbers."""
        try:
            owner, group = pwd.getpwnam(self._wanted["owner"]).pw_uid, grp.getgrnam(self._wanted["group"]).gr_gid
        except KeyError as error:
            raise Refused(f"is to be of somebody who is not there: {error.args[0]}") from error
        mode = self._wanted["mode"]
        # Without quotes YAML takes 0640 for a number, of which 416 is left here.
        if not re.fullmatch("0[0-7]{3,4}", mode):
            raise Refused(f"is to have mode {mode}: write it in quotes, with a 0 in front and three or four digits")
        return owner, group, int(mode, 8)

    def _own(self):
        """Have what is there be whose it is to be."""
        if self._check and kind_of(self._path) != self._wanted["state"]:
            return True
        try:
            wanted = self._ids()
        except Refused:
            if self._check:  # The run would have made them by now.
                return True
            raise
        with self._opened() as number:
            now = os.fstat(number)
            changed = (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)) != wanted
            if changed and not self._check:
                os.fchown(number, *wanted[:2])
                os.fchmod(number, wanted[2])
        return changed

    @contextlib.contextmanager
    def _opened(self):
        """What is there, as a descriptor; no link is followed.

        Whose directory it is in may put a link there at any moment, to a file that root is then to give away.
        """
        number = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fits = stat.S_ISDIR if self._wanted["state"] == "directory" else stat.S_ISREG
            if not fits(os.fstat(number).st_mode):
                raise Refused("was exchanged for something else")
            yield number
        finally:
            os.close(number)


def asked(module, unit):
    """What systemd says of ``unit``; nothing where it knows none."""
    if not unit:
        return {}
    show = ["systemctl", "show", f"--property={','.join(PROPERTIES)}", unit]
    status, out, _ = module.run_command(show)
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line) if status == 0 else {}


def started_at(unit):
    """When the program of ``unit`` was started, by the clock that files are dated by."""
    # What systemd says is of a clock that stands still while the host sleeps, so that the program would seem younger
    # than what was written before. Where it still runs, the kernel knows better.
    clock, since_boot = time.CLOCK_MONOTONIC, int(unit.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
    with contextlib.suppress(OSError):
        # The name of the program, in parentheses, may have anything in it.
        rest = Path(f"/proc/{int(unit.get('MainPID') or 0)}/stat").read_text(errors="replace").rpartition(")")[2]
        clock, since_boot = time.CLOCK_BOOTTIME, int(rest.split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(clock) + since_boot


def started_before(unit, files, reloaded=0.0):
    """Whether what the unit runs is older than the newest of ``files``, and it has not been reloaded since, either."""
    if unit.get("ActiveState") not in ("active", "activating", "reloading") or not files:
        return False
    now, started = time.time(), max(started_at(unit), reloaded)
    # What seems to be of the future was written before the clock was set back, and says nothing.
    newest = [at for at in (path.lstat().st_mtime for path in files if kind_of(path) != "absent") if at <= now]
    return max(newest, default=0.0) > started


def main():
    """Ansible calls this."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": SPEC},
            "unit": {"type": "str"},
        },
        supports_check_mode=True,
    )
    wanted = [one for one in module.params["files"] if one["applies"]]
    changed, differences = [], []
    for one in wanted:
        place = Place(module, one)
        try:
            if place.apply():
                changed.append(one["path"])
        except (Refused, OSError, ValueError) as fault:
            said = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
            module.fail_json(msg=f"{one['path']} {said}", paths=changed)
        if place.diff and module._diff:
            differences.append(place.diff)
    unit = asked(module, module.params["unit"])
    stale = started_before(unit, [Path(one["path"]) for one in wanted if one["restarts"]])
    told = Path(f"/run/{module.params['unit']}.reloaded")
    reloaded = told.lstat().st_mtime if kind_of(told) == "file" else 0.0
    unread = started_before(unit, [Path(one["path"]) for one in wanted if one["reloads"]], reloaded)
    runs = (unit.get("ActiveState"), unit.get("UnitFileState"), unit.get("NeedDaemonReload")) == (
        "active",
        "enabled",
        "no",
    )
    known = unit.get("LoadState", "not-found") != "not-found"
    module.exit_json(
        changed=bool(changed) or stale or unread,
        paths=changed,
        stale=stale,
        unread=unread,
        runs=runs,
        known=known,
        diff=differences,
    )


if __name__ == "__main__":
    main()
