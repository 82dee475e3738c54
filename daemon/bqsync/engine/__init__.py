"""engine: one cycle of one table; the loop over tables."""
