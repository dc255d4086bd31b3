"""What the child processes of the uniqueness tests run. Functions only, so that a fork server can find them by name."""

from metastore import Artifact, Catalog
from metastore.errors import DuplicateError


class Page(Artifact, type_name="pages"):
    """What has a name."""


def open_pages(path):
    return Catalog.open(path, types=[Page], durability="normal", timeout=120.0)


def won(act):
    """Do it; return whether the name was free."""
    try:
        act()
    except DuplicateError:
        return False
    return True


def publish_in_turn(place, barrier, seed, turns):
    """Publish the own page of each turn, which all others publish under the same name; return the turns won."""
    with open_pages(place.address(seed)) as catalog:
        mine = [catalog.get(Page, name=f"page {turn}", owner=f"p{seed}") for turn in range(turns)]
        barrier.wait()
        return [turn for turn, page in enumerate(mine) if won(lambda page=page: catalog.publish(page))]


def give_away_in_turn(place, barrier, seed, turns):
    """Give the own page of each turn to one project, as all others do; return the turns won."""
    with open_pages(place.address(seed)) as catalog:
        mine = [catalog.get(Page, name=f"page {turn}", owner=f"p{seed}") for turn in range(turns)]
        barrier.wait()
        return [turn for turn, page in enumerate(mine) if won(lambda page=page: catalog.transfer(page, "heir"))]


def rename_in_turn(place, barrier, seed, turns):
    """Give the own public page the name of each turn, as all others do; return the turns won."""
    with open_pages(place.address(seed)) as catalog:
        mine = catalog.get(Page, name=f"own {seed}")
        barrier.wait()
        wins = []
        for turn in range(turns):
            if won(lambda page=mine, turn=turn: catalog.update(page, name=f"wanted {turn}")):
                wins.append(turn)
                mine = catalog.get(Page, mine.id)
        return wins
