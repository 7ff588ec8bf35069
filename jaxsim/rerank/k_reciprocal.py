"""k-reciprocal re-ranking: alike are images that share mutual neighbours."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int
from scipy import sparse

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.index.complete import rank_scores
from jaxsim.ops.neighbours import self_neighbours
from jaxsim.rerank.base import Asked, Gallery
from jaxsim.rerank.query_expansion import ITSELF

_MATCHES_AT_ONCE = 1 << 24
_SCORES_AT_ONCE = 1 << 22
_PAIRS_AT_ONCE = 1 << 16
# One query, alone or among others, may differ from itself by this much.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class ReciprocalGallery(Gallery):
    """A gallery whose images know their mutual neighbours.

    Attributes:
      least: float32 [N], the score that makes a query one of a row's k1 neighbours.
      half: float32 [N, N], ones where R(g, k1/2) of each row is.
      own: float32 [N, N], V of each row before it is averaged; it sums to 1.
      shared: float32 [N, N], V of each row, which sums to 1.
    """

    least: Float32[np.ndarray, " N"]
    half: sparse.csr_array
    own: sparse.csr_array
    shared: sparse.csc_array


@dataclass(frozen=True, kw_only=True)
class KReciprocal:
    """Adds to the cosine how many mutual neighbours two images share.

    N(g, k) is an image with its k nearest others, and R(g, k) those of them that have
    g among their own. R*(g) is R(g, k1) and every R(h, k1/2), h in R(g, k1), of which
    at least two thirds lie in R(g, k1). V_g[h] = exp(s(g, h) - 1) for h in R*(g), and 0
    elsewhere, scaled to sum 1; then V_g becomes the mean of V over g and its k2 - 1
    nearest others. The score is

      (1 - λ) Σ min(V_q, V_g) / Σ max(V_q, V_g) + λ s(q, g),

    which is 1 minus the published distance for the distance 1 - s of unit vectors. The
    sets of database images are found without the query, so that each query is answered
    as if it were the only one; the query has g as its neighbour if it is as near to g
    as the last of N(g, k1). A query that is in the database has the V of its copy.

    Attributes:
      k1: neighbours of an image.
      k2: images whose V are averaged; 1 leaves V as it is.
      weight: λ, of the cosine, 0 to 1; with 1 nothing changes.

    Raises:
      InputError: an option is out of range.

    Source: Zhong et al. 2017, equations 2 to 12, and the published code, which scales
    V to sum 1.
    """

    k1: int = 20
    k2: int = 6
    weight: float = 0.3

    def __post_init__(self):
        if self.k1 < 1 or self.k2 < 1 or not 0 <= self.weight <= 1:
            raise InputError(
                "k-reciprocal re-ranking needs k1 >= 1, k2 >= 1 and a weight from 0 to "
                f"1; got k1={self.k1}, k2={self.k2} and weight={self.weight}"
            )

    @property
    def reach(self) -> int:
        """How many results it looks at."""
        return max(self.k1 + 1, self.k2)

    def prepare(self, gallery: Gallery) -> ReciprocalGallery:
        """Returns the gallery with the mutual neighbours of its images.

        Raises:
          InputError: a row holds NaN or infinite values.
        """
        ids, scores = self_neighbours(gallery.vectors, self.reach, live=gallery.live)
        near, half = (_reciprocal(ids[:, : k + 1]) for k in (self.k1, self._half))
        own = _memberships(_expanded(near, half), gallery.vectors, gallery.vectors)
        shared = _sets(ids[:, : self.k2], len(ids)) @ own
        least = scores[:, : self.k1 + 1].min(axis=1, initial=np.inf)
        if scores.shape[1] <= self.k1:
            least = np.full_like(least, -np.inf)  # A list that is not full takes all.
        return ReciprocalGallery(
            gallery.vectors,
            gallery.live,
            least=least,
            half=half,
            own=own,
            shared=_scaled(shared).tocsc(),
        )

    def __call__(
        self, asked: Asked, ranking: Ranking, gallery: Gallery
    ) -> tuple[Asked, Ranking]:
        """Returns the queries as they are, ranked by neighbours that they share, too.

        Args:
          asked: Q queries.
          ranking: of the gallery, [Q, K].
          gallery: as `prepare` returned it.
        """
        assert isinstance(gallery, ReciprocalGallery)
        features = self._features(asked, ranking, gallery)
        ids, scores = np.empty_like(ranking.ids), np.empty_like(ranking.scores)
        step = max(_SCORES_AT_ONCE // len(gallery.vectors), 1)
        for start in range(0, len(ids), step):
            rows = slice(start, start + step)
            alike = _jaccard(features[rows], gallery.shared)
            cosines = asked.vectors[rows] @ gallery.vectors.T
            mixed = (1 - self.weight) * alike + self.weight * cosines
            found = rank_scores(mixed, found=gallery.live, k=ids.shape[1])
            ids[rows], scores[rows] = found.ids, found.scores
        return asked, Ranking(ids, scores)

    @property
    def _half(self) -> int:
        return max(round(self.k1 / 2), 1)

    def _features(
        self, asked: Asked, ranking: Ranking, gallery: ReciprocalGallery
    ) -> sparse.csr_array:
        """Returns V of the queries, [Q, N]."""
        count = len(gallery.vectors)
        ids = ranking.ids[:, : self.k1]  # The query itself is no image.
        cosines = np.einsum("qd,qkd->qk", asked.vectors, gallery.vectors[ids])
        cosines = np.where(ids != MISSING_ID, cosines, -1)
        mutual = (ids != MISSING_ID) & (cosines >= gallery.least[ids] - _ROUNDING)
        near = _sets(np.where(mutual, ids, MISSING_ID), count)
        expanded = _expanded(near, gallery.half)
        own = _memberships(expanded, asked.vectors, gallery.vectors)
        others = _sets(ranking.ids[:, : self.k2 - 1], count)
        features = _scaled(own + others @ gallery.own)
        inside = np.flatnonzero(cosines.max(axis=1, initial=-1) > ITSELF)
        if not len(inside):
            return features
        copies = ids[inside, cosines[inside].argmax(axis=1)]
        known = gallery.shared.tocsr()[copies]
        rows = np.arange(len(ids))
        rows[inside] = len(ids) + np.arange(len(inside))
        return sparse.csr_array(sparse.vstack([features, known]).tocsr()[rows])


def _jaccard(
    queries: sparse.csr_array, images: sparse.csc_array
) -> Float32[np.ndarray, "Q N"]:
    """Returns Σ min / Σ max of each row of both, [Q, N] and [N, N]; rows sum to 1."""
    asked, count = len(queries.indptr) - 1, len(images.indptr) - 1
    # Only entries below a query's own have something in common with it.
    starts = images.indptr[queries.indices]
    lengths = images.indptr[queries.indices + 1] - starts
    first = np.cumsum(lengths) - lengths
    entries = np.repeat(starts - first, lengths) + np.arange(lengths.sum())
    common = np.minimum(images.data[entries], np.repeat(queries.data, lengths))
    owners = np.repeat(np.arange(asked), np.diff(queries.indptr))
    places = np.repeat(owners * count, lengths) + images.indices[entries]
    sums = np.bincount(places, common, minlength=asked * count).reshape(asked, count)
    # The larger of two numbers is their sum without what is common.
    return (sums / (2 - sums)).astype(np.float32)


def _reciprocal(ids: Int[np.ndarray, "N k"]) -> sparse.csr_array:
    """Returns the sets of those on each row's list that have the row on theirs."""
    kept = np.full_like(ids, MISSING_ID)
    step = max(1, _MATCHES_AT_ONCE // ids.shape[1] ** 2)
    for start in range(0, len(ids), step):
        rows = slice(start, start + step)
        block = ids[rows]
        own = np.arange(start, start + len(block))[:, None, None]
        mutual = (ids[block] == own).any(axis=2) & (block != MISSING_ID)
        kept[rows] = np.where(mutual, block, MISSING_ID)
    return _sets(kept, len(ids))


def _expanded(near: sparse.csr_array, half: sparse.csr_array) -> sparse.csr_array:
    """Returns R* of each row: R, and the smaller sets that two thirds of lie in it.

    Args:
      near: [Q, N], R of some images among the N.
      half: [N, N], the smaller sets of all.
    """
    common = (near @ half.T).multiply(near).tocsr()
    sizes = np.asarray(half.sum(axis=1)).ravel()
    common.data = (3 * common.data >= 2 * sizes[common.indices]).astype(np.float32)
    expanded = (near + common @ half).tocsr()
    expanded.eliminate_zeros()
    return expanded


def _memberships(
    sets: sparse.csr_array,
    vectors: Float32[np.ndarray, "Q D"],
    others: Float32[np.ndarray, "N D"],
) -> sparse.csr_array:
    """Returns exp(s - 1) for each member of each set, rows scaled to sum 1."""
    owners = np.repeat(np.arange(len(sets.indptr) - 1), np.diff(sets.indptr))
    data = np.empty(len(owners), np.float32)
    for start in range(0, len(owners), _PAIRS_AT_ONCE):
        some = slice(start, start + _PAIRS_AT_ONCE)
        pairs = vectors[owners[some]], others[sets.indices[some]]
        data[some] = np.exp(np.einsum("pd,pd->p", *pairs) - 1)
    weighted = sparse.csr_array((data, sets.indices, sets.indptr), shape=sets.shape)
    return _scaled(weighted)


def _sets(ids: Int[np.ndarray, "Q k"], count: int) -> sparse.csr_array:
    """Returns ones, float32 [Q, N], where ids are, for N = count."""
    found = ids != MISSING_ID
    ends = np.concatenate([[0], np.cumsum(found.sum(axis=1))])
    ones = np.ones(ends[-1], np.float32)
    return sparse.csr_array((ones, ids[found], ends), shape=(len(ids), count))


def _scaled(rows: sparse.csr_array) -> sparse.csr_array:
    """Returns rows that sum to 1; a row of zeros stays one."""
    sums = np.asarray(rows.sum(axis=1)).ravel()
    scale = np.divide(1, sums, out=np.zeros_like(sums), where=sums > 0)
    data = rows.data * np.repeat(scale, np.diff(rows.indptr))
    return sparse.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)
