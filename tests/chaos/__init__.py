"""Calls on a bad network: random faults at random points, and the books of what was said, heard and done afterwards."""
