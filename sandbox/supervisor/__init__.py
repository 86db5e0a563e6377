"""Starts the parts of the sandbox in order, keeps them running, and stops them."""
