"""All that goes wrong."""

from tests.endurance.disk_faults import disk_faults
from tests.endurance.fault import Fault
from tests.endurance.process_faults import process_faults
from tests.endurance.registry_faults import registry_faults
from tests.endurance.world import World


def all_faults(world: World) -> list[Fault]:
    """Return the faults that can be brought about on this machine."""
    return [*registry_faults(), *process_faults(), *disk_faults(world)]
