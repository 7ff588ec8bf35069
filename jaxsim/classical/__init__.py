"""Features of images that are designed, not learned."""
