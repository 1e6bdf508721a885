"""ringzero as an engine: the protocols that boards and other programs speak."""
