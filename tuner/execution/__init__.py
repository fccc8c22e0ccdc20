"""Where trials run: in this process, on Ray, on a table of learning curves."""
