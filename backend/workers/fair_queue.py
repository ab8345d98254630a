"""A queue in which clients take turns, so that one client's many requests delay another client's by one turn each."""

from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Round robin over the clients that wait; first in, first out within one client."""

    def __init__(self) -> None:
        self._items: dict[str, list[Item]] = {}  # client -> oldest first; the client whose turn is next comes first

    def __len__(self) -> int:
        return sum(len(items) for items in self._items.values())

    def __iter__(self) -> Iterator[Item]:
        return (item for items in self._items.values() for item in items)

    @property
    def clients(self) -> tuple[str, ...]:
        """The clients that wait, in the order of their turns."""
        return tuple(self._items)

    def count(self, client: str) -> int:
        """Return how many items of `client` wait."""
        return len(self._items.get(client, ()))

    def add(self, client: str, item: Item) -> None:
        """Append an item; a client that did not wait has its turn after all others."""
        self._items.setdefault(client, []).append(item)

    def next(self) -> Item:
        """Remove and return the oldest item of the client whose turn it is. Raises StopIteration when empty."""
        client = next(iter(self._items))
        items = self._items.pop(client)
        item = items.pop(0)
        if items:
            self._items[client] = items  # its next turn comes after all others'
        return item

    def newest(self, client: str) -> Item:
        """Remove and return the newest item of a `client` that waits."""
        item = self._items[client][-1]
        self.remove(client, item)
        return item

    def remove(self, client: str, item: Item) -> bool:
        """Remove an item; False when it is not here."""
        items = self._items.get(client, [])
        if item not in items:
            return False
        items.remove(item)
        if not items:
            del self._items[client]
        return True
