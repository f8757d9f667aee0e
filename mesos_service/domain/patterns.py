"""Regular expressions that strangers send: matched in time that grows with the text, whatever the pattern (M-AL-14).

The standard library's go back and try again, which a pattern of twenty characters can make last for hours; Mesos uses
RE2 for the same reason. What is understood is what constraints are written in: characters, ``.``, ``[...]``, escapes
such as ``\\d`` and ``\\.``, groups, ``|``, ``*``, ``+``, ``?`` and ``{m,n}``. All else is refused.
"""

from __future__ import annotations

import re
from typing import Final

PATTERN_CHARACTERS_MAX: Final = 512
STATES_MAX: Final = 4096
DEPTH_MAX: Final = 50
"""Groups within groups."""
REMEMBERED_MAX: Final = 4096
"""Steps that one pattern keeps in memory; when there are more, it begins anew."""

_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_COUNT: Final = re.compile(r"\{(\d{1,3})(?:(,)(\d{1,3})?)?\}", re.ASCII)
_ESCAPES: Final = frozenset("dDwWsSntrfv")


class Pattern:
    """Raises ``ValueError`` with a sentence for what is no pattern, or none of these."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > PATTERN_CHARACTERS_MAX:
            raise ValueError(f"the pattern has more than {PATTERN_CHARACTERS_MAX} characters")
        self._steps: list[tuple[re.Pattern[str] | None, tuple[int, ...]]] = []
        self._at = 0
        self._depth = 0
        # Whole texts are matched, so that anchors at the ends say nothing new.
        self._text = text.removeprefix("^")
        if self._text.endswith("$") and not self._text.endswith("\\$"):
            self._text = self._text[:-1]
        end = self._state(None, ())
        self._end = end
        self._start = self._closure({self._alternatives(end)})
        if self._at < len(self._text):
            raise ValueError(f"'{text}' has a ')' too many")
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def matches(self, text: str) -> bool:
        """Whether all of ``text`` is as the pattern says."""
        states = self._start
        for character in text:
            following = self._known.get((states, character))
            if following is None:
                if len(self._known) >= REMEMBERED_MAX:
                    self._known.clear()
                following = self._known[states, character] = self._step(states, character)
            if not following:
                return False
            states = following
        return self._end in states

    def _step(self, states: frozenset[int], character: str) -> frozenset[int]:
        reached: set[int] = set()
        for state in states:
            accepts, following = self._steps[state]
            if accepts is not None and accepts.fullmatch(character):
                reached.update(following)
        return self._closure(reached)

    def _closure(self, states: set[int]) -> frozenset[int]:
        waiting = list(states)
        while waiting:
            accepts, following = self._steps[waiting.pop()]
            if accepts is None:
                waiting += [state for state in following if state not in states]
                states.update(following)
        return frozenset(states)

    def _state(self, accepts: re.Pattern[str] | None, following: tuple[int, ...]) -> int:
        if len(self._steps) >= STATES_MAX:
            raise ValueError(f"the pattern '{self.text}' repeats too much")
        self._steps.append((accepts, following))
        return len(self._steps) - 1

    # -- reading: each makes the states of the part at ``_at``, which goes on to ``then`` ----------------------
    def _alternatives(self, then: int) -> int:
        branches = [self._sequence(then)]
        while self._text[self._at : self._at + 1] == "|":
            self._at += 1
            branches.append(self._sequence(then))
        return branches[0] if len(branches) == 1 else self._state(None, tuple(branches))

    def _sequence(self, then: int) -> int:
        """Items are made from the last to the first, since each must know what follows it."""
        items: list[tuple[int, int, int, int | None]] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            begin = self._at
            self._skip_item()
            end = self._at
            items.append((begin, end, *self._count()))
        at = self._at
        for begin, end, least, most in reversed(items):
            if most is None:
                loop = self._state(None, ())
                self._steps[loop] = (None, (self._item(begin, end, loop), then))
                then = loop
            else:
                skip = then
                for _ in range(most - least):
                    then = self._state(None, (self._item(begin, end, then), skip))
            for _ in range(least):
                then = self._item(begin, end, then)
        self._at = at
        return then

    def _skip_item(self) -> None:
        """Find the end of the item that begins here, and refuse what is none."""
        first = self._text[self._at]
        if first == "(":
            depth = 0
            while self._at < len(self._text):
                here = self._text[self._at]
                if here == "[":
                    self._skip_class()
                    continue
                self._at += 2 if here == "\\" else 1
                depth += (here == "(") - (here == ")")
                if not depth:
                    return
            raise ValueError(f"'{self.text}' has a '(' without its ')'")
        if first == "[":
            self._skip_class()
        elif first in "*+?{^$":
            raise ValueError(f"'{self.text}' has a '{first}' where it means nothing")
        elif first == "\\":
            following = self._text[self._at + 1 : self._at + 2]
            if not following or (following.isalnum() and following not in _ESCAPES):
                raise ValueError(f"'{self.text}' has '\\{following}', which is not understood")
            self._at += 2
        else:
            self._at += 1

    def _skip_class(self) -> None:
        found = _CLASS.match(self._text, self._at)
        if found is None:
            raise ValueError(f"'{self.text}' has a '[' without its ']'")
        self._at = found.end()

    def _count(self) -> tuple[int, int | None]:
        """How often the item before may come: at least, and at most."""
        sign = self._text[self._at : self._at + 1]
        counts: tuple[int, int | None] = (1, 1)
        if sign in ("*", "+", "?"):
            self._at += 1
            counts = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        elif sign == "{":
            found = _COUNT.match(self._text, self._at)
            if found is None:
                raise ValueError(f"'{self.text}' has a '{{' that is no count")
            self._at = found.end()
            least = int(found[1])
            counts = (least, least if found[2] is None else int(found[3]) if found[3] else None)
            if counts[1] is not None and counts[1] < least:
                raise ValueError(f"'{self.text}' counts down")
        else:
            return counts
        if self._text[self._at : self._at + 1] == "?":
            self._at += 1  # how greedy it is does not matter where all has to match
        return counts

    def _item(self, begin: int, end: int, then: int) -> int:
        text = self._text[begin:end]
        if not text.startswith("("):
            try:
                return self._state(re.compile(text if text[0] in "[\\." else re.escape(text), re.DOTALL), (then,))
            except re.error as error:
                raise ValueError(f"'{text}' in '{self.text}': {error}") from error
        inside = 3 if text.startswith("(?:") else 1
        if text.startswith("(?") and inside == 1:
            raise ValueError(f"'{self.text}' has a '{text[:3]}', which is not understood")
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise ValueError(f"'{self.text}' has more than {DEPTH_MAX} groups within groups")
        whole, at = self._text, self._at
        self._text, self._at = text[inside:-1], 0
        start = self._alternatives(then)
        self._text, self._at = whole, at
        self._depth -= 1
        return start
