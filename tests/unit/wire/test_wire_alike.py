"""Equal wire messages become one object; nothing that is printed is lost by it, and what is kept is bounded (A82)."""

from __future__ import annotations

from mesos_service.wire import agents, common, frameworks
from mesos_service.wire import resources as wire
from mesos_service.wire.convert import alike
from mesos_service.wire.convert.alike import Alike
from mesos_service.wire.convert.infos import agent_from_wire, framework_from_wire, framework_to_wire
from mesos_service.wire.convert.values import resources_from_wire


def scalar(name: str, value: float, **more: object) -> wire.Resource:
    return wire.Resource(name=name, type="SCALAR", scalar=wire.ValueScalar(value=value), **more)  # type: ignore[arg-type]


def volume(path: str) -> wire.ResourceDiskInfo:
    return wire.ResourceDiskInfo(
        source=wire.ResourceDiskInfoSource(
            type="MOUNT", mount=wire.ResourceDiskInfoSourceMount(root=path), metadata=common.Labels()
        )
    )


def test_a82_what_thousands_of_agents_have_alike_is_one_object() -> None:
    one, other = (
        agent_from_wire(agents.AgentInfo(hostname=name, resources=(scalar("cpus", 4), scalar("mem", 1024))))
        for name in ("a", "b")
    )
    assert one.resources is other.resources
    assert (one.hostname, other.hostname) == ("a", "b")


def test_what_differs_in_print_stays_apart() -> None:
    lists = [
        (scalar("disk", 1, disk=volume("/one")),),
        (scalar("disk", 1, disk=volume("/two")),),
        (scalar("disk", 1),),
        (scalar("disk", 1, reservations=(wire.ResourceReservationInfo(type="STATIC", role="r"),)),),
        (scalar("disk", 2),),
    ]
    made = [resources_from_wire(one)[0] for one in lists]
    assert len({str(one) for one in made}) == len(lists)
    assert [resources_from_wire(one)[0] for one in lists] == made


def test_a_refusal_is_repeated() -> None:
    wrong = (scalar("cpus", -1),)
    assert resources_from_wire(wrong) == resources_from_wire(wrong)
    assert resources_from_wire(wrong)[1] is not None


def test_equal_frameworks_are_one_and_others_keep_what_they_carry() -> None:
    info = frameworks.FrameworkInfo(user="u", name="n", webui_url="http://a")
    again = frameworks.FrameworkInfo(user="u", name="n", webui_url="http://a")
    assert framework_from_wire(info) is framework_from_wire(again)
    other = frameworks.FrameworkInfo(user="u", name="n", webui_url="http://b")
    assert framework_to_wire(framework_from_wire(other)).webui_url == "http://b"


def test_what_is_kept_is_bounded_in_number_and_size() -> None:
    made: list[str] = []

    def make(sent: str) -> str:
        made.append(sent)
        return sent.upper()

    kept = Alike(make)
    for number in range(2 * alike.KEPT_MAX):
        assert kept(str(number)) == str(number)
        assert len(kept) <= alike.KEPT_MAX
    assert kept(str(2 * alike.KEPT_MAX - 1)), "the youngest are kept"
    assert len(made) == 2 * alike.KEPT_MAX
    large = "x" * alike.BYTES_MAX
    before = len(kept)
    assert kept(large) == kept(large) == large.upper()
    assert len(kept) == before


def test_what_cannot_be_made_is_not_kept() -> None:
    def make(sent: str) -> str:
        raise ValueError(sent)

    kept = Alike(make)
    for _ in range(2):
        try:
            kept("no")
        except ValueError as error:
            assert str(error) == "no"
        else:
            raise AssertionError("it was made")
    assert len(kept) == 0
