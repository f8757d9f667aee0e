"""A task's life can be told in order, from its offer to its end."""

from __future__ import annotations

from mesos_service.core.effects import Note
from mesos_service.telemetry.story import Story, sentence


def test_a_task_is_told_with_its_offer_and_nothing_of_others() -> None:
    story = Story()
    story.note(Note("offer.sent", {"offer_id": "O1", "agent_id": "S0", "framework_id": "F1"}), 100.0)
    story.note(Note("offer.sent", {"offer_id": "O2", "agent_id": "S1", "framework_id": "F2"}), 100.1)
    story.note(
        Note("task.launched", {"task_id": "t1", "offer_id": "O1", "agent_id": "S0", "framework_id": "F1"}), 100.5
    )
    story.note(
        Note("task.launched", {"task_id": "t2", "offer_id": "O1", "agent_id": "S0", "framework_id": "F1"}), 100.5
    )
    story.note(Note("task.updated", {"task_id": "t1", "framework_id": "F1", "state": "TASK_RUNNING"}), 100.75)
    story.note(Note("task.updated", {"task_id": "t1", "framework_id": "F2", "state": "TASK_FAILED"}), 101.0)
    assert story.task("t1", "F1") == [
        "   +0.000 s  offer O1 of agent S0 went to framework F1",
        "   +0.500 s  task t1 was sent to agent S0 (offer_id: O1, framework_id: F1)",
        "   +0.750 s  task t1 is TASK_RUNNING (framework_id: F1)",
    ]
    assert story.about("offer_id", "O2") == ["   +0.000 s  offer O2 of agent S1 went to framework F2"]


def test_only_the_last_facts_are_kept() -> None:
    story = Story(facts_max=2)
    for number in range(5):
        story.note(Note("offer.declined", {"offer_id": f"O{number}"}), float(number))
    assert story.whole() == ["   +0.000 s  offer O3 was declined", "   +1.000 s  offer O4 was declined"]


def test_a_fact_without_a_sentence_is_told_as_it_is_named() -> None:
    assert sentence(Note("update.resent", {"task_id": "t{1}"})) == "update resent (task_id: t{1})"


def test_what_a_sentence_wants_and_was_not_told_is_marked() -> None:
    assert sentence(Note("task.updated", {"task_id": "t"})) == "task t is ?"
