"""Notices: what people are told outside the desk, and the channels it goes by."""
