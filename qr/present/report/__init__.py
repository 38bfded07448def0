"""The report that one opens first: a version's results as one HTML file. Free of torch."""
