"""One collection of Milvus in the place of another, which is there until then."""

from typing import Any

from jaxsim.index.milvus_layout import read_layout
from jaxsim.index.milvus_server import CALL_S, Place, asking


def take_name(client: Any, old: str, place: Place, *, aside: str) -> None:
    """Gives a collection another name, in place of the one that has it.

    Whatever fails and whenever it stops, both are there, or the new one in its place;
    `put_back` then gives the one that was set aside its name again.

    Args:
      client: of pymilvus.
      old: what it is called.
      place: what it will be called.
      aside: name of the other until it is dropped.

    Raises:
      InputError: something else than jaxsim made the other, or Milvus refuses.
    """
    with asking(place):
        exists = client.has_collection(place.collection, timeout=CALL_S)
    if exists:
        # Refuses what something else has made.
        read_layout(client, place)
    with asking(place):
        if exists:
            client.rename_collection(place.collection, aside, timeout=CALL_S)
        client.rename_collection(old, place.collection, timeout=CALL_S)


def put_back(client: Any, place: Place, *, aside: str) -> bool:
    """Gives a collection that was set aside its name again, if nothing has it.

    Args:
      client: of pymilvus.
      place: what it was called.
      aside: what it is called, if it is there.

    Returns:
      Whether it was, and has its name.

    Raises:
      InputError: Milvus refuses.
    """
    with asking(place):
        if client.has_collection(place.collection, timeout=CALL_S):
            return False
        if not client.has_collection(aside, timeout=CALL_S):
            return False
        client.rename_collection(aside, place.collection, timeout=CALL_S)
    return True
