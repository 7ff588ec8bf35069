"""Array operations of the field: pooling, regions, whitening, similarity, top-k."""
