"""One file per data set: where its images are and which of them match."""
