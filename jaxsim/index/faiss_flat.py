"""Exhaustive search by faiss, the peer of our own."""

import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import MissingExtraError
from jaxsim.core.ranking import Comparison, Ranking
from jaxsim.index.base import check_k, check_vectors


class FaissFlat:
    """Vectors in faiss' IndexFlatIP or IndexFlatL2, searched exactly.

    Args:
      vectors: float32 [N, D], finite; the position is the id.
      comparison: "cosine" searches by inner product, "distance" by Euclidean distance.

    Raises:
      MissingExtraError: faiss is not installed.
      InputError: wrong shape or type, NaN or infinite values.
    """

    def __init__(
        self, vectors: Float32[np.ndarray, "N D"], *, comparison: Comparison
    ) -> None:
        try:
            import faiss
        except ImportError as error:
            raise MissingExtraError("faiss-cpu", "faiss") from error
        dimension = vectors.shape[1]
        self._distance = comparison == "distance"
        flat = faiss.IndexFlatL2 if self._distance else faiss.IndexFlatIP
        self._index = flat(dimension)
        # faiss takes differences of float32 products, which are less exact the
        # farther vectors lie from the origin; moving all of them changes no distance.
        self._origin = np.zeros(dimension, np.float32)
        if self._distance and len(vectors):
            self._origin = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        checked = check_vectors(vectors, dimension, "vectors")
        self._index.add(np.ascontiguousarray(checked - self._origin[None]))

    def search(self, queries: Float32[np.ndarray, "Q D"], k: int) -> Ranking:
        """Returns the k best rows of each query, equal scores by rising id.

        Which of equal rows are left out at the end is faiss' choice.

        Args:
          queries: float32 [Q, D], finite.
          k: >= 1; results beyond the last row are missing.

        Raises:
          InputError: the queries or k cannot be used.
        """
        check_k(k)
        queries = check_vectors(queries, self._index.d, "queries") - self._origin[None]
        scores, ids = self._index.search(np.ascontiguousarray(queries), k)
        return Ranking.from_scores(ids, -scores if self._distance else scores)
