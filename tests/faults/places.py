"""Where many processes meet: a file, a server, or a cluster of which each goes to another node first."""

from typing import NamedTuple


class Place(NamedTuple):
    """The addresses of one catalogue; a process takes the one of its number."""

    addresses: tuple[str, ...]

    def address(self, number=0):
        return self.addresses[number % len(self.addresses)]
