"""One host process per embedded data directory, and the thin stdio fronts that talk to it."""
