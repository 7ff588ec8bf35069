"""Photos in: sources, decoding, preprocessing, batches."""
