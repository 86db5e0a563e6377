"""Attacks on approvals: each is tried with its defence, and again without it."""
