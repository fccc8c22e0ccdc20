"""Search-space presets as package data; ``tuner.space.preset`` reads them."""
