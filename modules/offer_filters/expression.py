"""Agents of which an expression holds, such as ``rack in ('r1', 'r2') and not matches(hostname, 'old.*')`` (N10).

The text is a framework's, so that nothing of it is ever run: it is read into a tree, of which only what is named here
is taken, and every piece of it takes bounded time.

- A name is an attribute of the agent, of several the first (X49), or ``hostname``, ``agent_id``, ``region``, ``zone``;
  ``attributes['gpu-type']`` is one that is no name, or is called like these four. By itself a name says: it is there.
- ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=`` with a number or a text; ``in`` and ``not in`` with a list of them.
  Of what is not there, or is a text where a number is meant, only ``!=`` and ``not in`` hold. Ranges are texts.
- ``matches(NAME, 'PATTERN')``: the whole text, by the patterns of ``attribute_constraints``.
- ``and``, ``or``, ``not``, brackets.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from mesos_service.domain.attributes import first, format_attribute_value
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.patterns import Pattern
from mesos_service.domain.values import to_milli_signed
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.offer_filter import OfferFilter, filtered
from mesos_service.plugins.verdict import Veto

CHARACTERS_MAX: Final = 1024
DEPTH_MAX: Final = 32
"""Of brackets, and of ``not`` behind ``not``."""

Value = int | str | None
"""A number in thousandths, a text, or nothing."""
Term = Callable[[AgentView], Value]
Test = Callable[[AgentView], bool]

_ORDERS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {  # Any: two numbers, or two texts
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class Parameters(BaseModel):
    """``holds`` is the expression."""

    model_config = ConfigDict(extra="forbid")
    holds: str = Field(min_length=1, max_length=CHARACTERS_MAX)


class Expression(OfferFilter):
    """Raises :class:`ConfigurationError` in its constructor for what is no expression."""

    name: ClassVar[str] = "expression"
    api_version: ClassVar[int] = 1
    Config: ClassVar[type[Any] | None] = Parameters

    def __init__(self, config: Parameters) -> None:
        super().__init__(config)
        try:
            tree = ast.parse(config.holds.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
            raise ConfigurationError(f"Offer filter 'expression': '{config.holds}' cannot be read: {fault}.") from fault
        self._test = _test(tree.body, 0)

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        if self._test(agent):
            return None
        return filtered(self.name, f"Of agent {agent.hostname} it does not hold that {self.config.holds.strip()}.")


def _refuse(node: ast.AST, said: str) -> ConfigurationError:
    return ConfigurationError(f"Offer filter 'expression': {said}, at character {getattr(node, 'col_offset', 0) + 1}.")


def _test(node: ast.expr, depth: int) -> Test:
    if depth > DEPTH_MAX:
        raise _refuse(node, f"more than {DEPTH_MAX} conditions within one another")
    match node:
        case ast.BoolOp(op=how, values=values):
            tests = [_test(one, depth + 1) for one in values]
            if isinstance(how, ast.And):
                return lambda agent: all(one(agent) for one in tests)
            return lambda agent: any(one(agent) for one in tests)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            denied = _test(operand, depth + 1)
            return lambda agent: not denied(agent)
        case ast.Compare(left=left, ops=[how], comparators=[right]):
            return _comparison(left, how, right)
        case ast.Call(func=ast.Name(id="matches"), args=[of, ast.Constant(value=str(text))], keywords=[]):
            subject = _name(of)
            try:
                pattern = Pattern(text)
            except ValueError as fault:
                raise _refuse(node, str(fault)) from fault

            def matches(agent: AgentView) -> bool:
                value = subject(agent)
                return isinstance(value, str) and pattern.matches(value)

            return matches
        case ast.Name() | ast.Subscript():
            term = _name(node)
            return lambda agent: term(agent) is not None
    raise _refuse(node, "there is nothing here that an expression may have")


def _comparison(left: ast.expr, how: ast.cmpop, right: ast.expr) -> Test:
    term = _name(left)
    if isinstance(how, ast.In | ast.NotIn):
        if not isinstance(right, ast.Tuple | ast.List | ast.Set):
            raise _refuse(right, "a list of numbers and texts belongs here, such as ('r1', 'r2')")
        values = frozenset(_constant(one) for one in right.elts)
        wanted = isinstance(how, ast.In)
        return lambda agent: (term(agent) in values) is wanted
    value = _constant(right)
    if isinstance(how, ast.Eq | ast.NotEq):
        wanted = isinstance(how, ast.Eq)
        return lambda agent: (term(agent) == value) is wanted
    compare = _ORDERS.get(type(how))
    if compare is None:
        raise _refuse(right, "only ==, !=, <, <=, >, >=, in and not in compare")

    def ordered(agent: AgentView) -> bool:
        found = term(agent)
        return found is not None and type(found) is type(value) and compare(found, value)

    return ordered


def _name(node: ast.expr) -> Term:
    match node:
        case ast.Name(id="hostname"):
            return lambda agent: agent.hostname
        case ast.Name(id="agent_id"):
            return lambda agent: str(agent.agent_id)
        case ast.Name(id="region"):
            return lambda agent: agent.region
        case ast.Name(id="zone"):
            return lambda agent: agent.zone
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id="attributes"), slice=ast.Constant(value=str(name))):

            def attribute(agent: AgentView) -> Value:
                found = first(agent.attributes, name)
                if found is None:
                    return None
                value = found.value
                return value if isinstance(value, int | str) else format_attribute_value(value)

            return attribute
    raise _refuse(node, "the name of an attribute belongs here, or hostname, agent_id, region or zone")


def _constant(node: ast.expr) -> int | str:
    sign, number = 1, node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, number = -1, node.operand
    match number:
        case ast.Constant(value=str(text)) if sign == 1:
            return text
        case ast.Constant(value=int(amount) | float(amount)) if not isinstance(amount, bool):
            try:
                return sign * to_milli_signed(amount)
            except ValueError as fault:
                raise _refuse(node, str(fault)) from fault
    raise _refuse(node, "a number or a text in quotes belongs here")
