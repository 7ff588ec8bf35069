"""Self-contained HTML pages that show results."""
