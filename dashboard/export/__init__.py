"""Postmortems as files, made on demand. Every format carries the same content: that of `outline`."""
