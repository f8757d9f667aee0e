"""Role names and the role tree (M-AL-06, X44)."""

from __future__ import annotations

import pytest

from mesos_service.domain.roles import ancestors, is_strict_subrole, refuse_role


@pytest.mark.parametrize("role", ["*", "ops", "analytics/nightly", "a-b", "a.b", "...", "ünï", "a*b"])
def test_m_al_06_lawful_roles(role: str) -> None:
    assert refuse_role(role) is None


@pytest.mark.parametrize(
    ("role", "why"),
    [
        ("", "empty"),
        ("/a", "Role '/a' cannot start with a slash"),
        ("a/", "Role 'a/' cannot end with a slash"),
        ("/", "start with a slash"),
        ("a//b", "two adjacent slashes"),
        (".", "cannot include '.' as a component"),
        ("..", "Role '..' cannot include '..' as a component"),
        ("a/../b", "cannot include '..' as a component"),
        ("a/*", "cannot include '*' as a component"),
        ("-a", "begins with a dash"),
        ("a/-b", "Role component '-b'"),
        ("a b", "Role component 'a b' is invalid because it contains backspace or whitespace"),
        ("a\tb", "whitespace"),
        ("a\bb", "backspace"),
        ("a\x00", "control"),
        ("a\x7f", "control"),
    ],
)
def test_m_al_06_unlawful_roles_are_refused_with_a_reason(role: str, why: str) -> None:
    refusal = refuse_role(role)
    assert refusal is not None
    assert why in refusal


def test_m_al_06_ancestors_come_nearest_first() -> None:
    assert ancestors("a/b/c") == ("a/b", "a")
    assert ancestors("a") == ()
    assert ancestors("*") == ()


@pytest.mark.parametrize(
    ("role", "of", "expected"),
    [
        ("a/b", "a", True),
        ("a/b/c", "a", True),
        ("a", "a", False),
        ("ab", "a", False),
        ("a", "a/b", False),
        ("a", "*", False),
    ],
)
def test_x44_a_strict_subrole_is_below_and_not_beside(role: str, of: str, expected: bool) -> None:
    assert is_strict_subrole(role, of=of) is expected
