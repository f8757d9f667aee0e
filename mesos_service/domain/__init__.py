"""Values and words of the field. Standard library only; knows nothing of HTTP, clocks or processes."""
