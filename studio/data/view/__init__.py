"""A dataset as a table: found, sorted, counted, summed up."""
