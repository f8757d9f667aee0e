"""Asking masters, for the modules of this collection: whoever leads is found, and says 200 or why not."""

from __future__ import annotations

import json
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin

from ansible.module_utils.urls import open_url

ARGUMENTS = {
    "masters": {"type": "list", "elements": "str", "required": True},
    "tls": {"type": "bool", "default": False},
    "ca_path": {"type": "path"},
    "principal": {"type": "str"},
    "secret": {"type": "str", "no_log": True},
    "timeout": {"type": "int", "default": 10},
}
REDIRECTS_MAX = 5


class Refused(Exception):
    """No master answers, or the leading one says no; the text says which and why."""


class Masters:
    """The masters that ``parameters`` name, asked in order until one answers."""

    def __init__(self, parameters):
        self._parameters = parameters

    def read(self, call, answer):
        """What the leader says to a call without arguments, such as GET_QUOTA and ``get_quota``."""
        return json.loads(self.ask(call)).get(answer, {})

    def ask(self, call, **arguments):
        """The leader's answer to an operator call; raises ``Refused``."""
        scheme = "https" if self._parameters["tls"] else "http"
        body = json.dumps({"type": call, **arguments})
        why = "no masters are named"
        for master in self._parameters["masters"]:
            try:
                return self._post(f"{scheme}://{master}/api/v1", body)
            except HTTPError as error:
                said = error.read().decode(errors="replace").strip()
                if error.code != 503:
                    raise Refused(f"{master} refuses {call}: {error.code} {said}") from error
                why = f"{master} cannot serve now: {said}"
            except (URLError, OSError) as error:
                why = f"{master} does not answer: {getattr(error, 'reason', error)}"
        raise Refused(why)

    def _post(self, url, body):
        for _ in range(REDIRECTS_MAX):
            try:
                return open_url(
                    url,
                    method="POST",
                    data=body,
                    headers={"Content-Type": "application/json", "Accept": "application/json"},
                    timeout=self._parameters["timeout"],
                    ca_path=self._parameters["ca_path"],
                    url_username=self._parameters["principal"],
                    url_password=self._parameters["secret"],
                    force_basic_auth=self._parameters["principal"] is not None,
                    follow_redirects="none",
                ).read()
            except HTTPError as error:
                if error.code != 307:
                    raise
                # Who stands by names the leader without a scheme: //host:port/path.
                url = urljoin(url, error.headers["Location"])
        raise URLError("masters redirect in a ring")
