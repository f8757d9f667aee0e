"""Which offer filters there are, told from what the master has loaded (N10)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mesos_service.domain.frameworks import FilterSpec, OfferConstraints
from mesos_service.domain.ids import Role
from mesos_service.master.config import MasterConfig
from mesos_service.wire.filters import FilterModule, FilterParameter
from mesos_service.wire.render.filters import filters_answer
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.world import World

GROUPS = {
    "groups": [
        {"attribute_constraints": [{"selector": {"pseudoattribute_type": "HOSTNAME"}, "predicate": {"exists": {}}}]}
    ]
}


def test_n10_all_that_are_built_in_are_told_with_their_parameters() -> None:
    world = World(options=MasterConfig.load({}).options())
    found = {one.name: one for one in filters_answer(world.state).filters}
    built_in = {"at_least", "attribute_constraints", "cost", "expression", "never_agents", "only_agents", "taints"}
    assert set(found) == {*built_in, "time_window"}
    assert [(one.name, one.required) for one in found["cost"].parameters] == [
        ("at_most", True),
        ("attribute", False),
        ("unpriced", False),
    ]
    assert all(one.summary.endswith(".") and one.standing == 0 and one.disabled is None for one in found.values())


def test_n10_for_how_many_each_stands_is_counted_by_role() -> None:
    world = World(options=MasterConfig.load({}).options())
    only = FilterSpec("only_agents", {"agents": ["x"]})
    info = framework_info("picky", roles=("a", "b"))
    filters = {Role("a"): (only, only), Role("b"): (only,)}
    world.framework(replace(info, filters=filters, constraints=OfferConstraints(by_role={Role("a"): GROUPS})))
    found = {one.name: one.standing for one in filters_answer(world.state).filters if one.standing}
    assert found == {"only_agents": 2, "attribute_constraints": 1}


def test_n10_a_file_of_ones_own_is_told_and_one_that_hung_is_told_as_such(tmp_path: Path) -> None:
    folder = tmp_path / "offer_filters"
    folder.mkdir()
    (folder / "mine.py").write_text(
        "from mesos_service.plugins.offer_filter import OfferFilter\n\n\n"
        "class Mine(OfferFilter):\n"
        '    """Wants whatever I want.\n\n    More of it."""\n\n'
        "    name = 'mine'\n\n"
        "    def about_agent(self, agent, now):\n        return None\n"
    )
    config = MasterConfig.model_validate({"offer_filters": "mine,cost", "modules_dir": str(tmp_path)})
    world = World(options=config.options())
    told, mine = filters_answer(world.state).filters
    assert told.parameters[0] == FilterParameter(name="at_most", required=True)
    assert mine == FilterModule(name="mine", summary="Wants whatever I want.", standing=0)
    world.state.options.hung_filters[world.state.options.offer_filters["mine"]] = "about_agent"
    assert filters_answer(world.state).filters[1].disabled == "about_agent() did not come back."
