"""Long runs, not part of `make test`: `make endurance`."""
