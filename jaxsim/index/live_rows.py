"""Which rows of an index can be found."""

import numpy as np
from jaxtyping import Bool, Int64

from jaxsim.core.errors import InputError


class LiveRows:
    """Numbers rows as they come, and remembers those that were deleted.

    Attributes:
      mask: bool [rows], False for deleted ones.
    """

    mask: Bool[np.ndarray, " N"]

    def __init__(self) -> None:
        self.mask = np.zeros(0, bool)

    @property
    def total(self) -> int:
        """Number of rows there ever were."""
        return len(self.mask)

    def __len__(self) -> int:
        """Returns the number of rows that are not deleted."""
        return int(self.mask.sum())

    def append(self, count: int) -> Int64[np.ndarray, " M"]:
        """Returns the ids of as many new rows."""
        first = self.total
        self.mask = np.append(self.mask, np.ones(count, bool))
        return np.arange(first, first + count)

    def delete(self, ids: np.ndarray) -> Int64[np.ndarray, " M"]:
        """Marks rows as deleted, again or for the first time, and returns their ids.

        Raises:
          InputError: there never was such a row; none is deleted then.
        """
        ids = np.asarray(ids, np.int64)
        unknown = ids[(ids < 0) | (ids >= self.total)]
        if len(unknown):
            raise InputError(
                f"cannot delete row {unknown[0]}: this index has rows 0 to "
                f"{self.total - 1}"
            )
        self.mask[ids] = False
        return ids
