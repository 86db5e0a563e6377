"""The real Kestra 2.0.0 engine in a Python process of its own, behind a small HTTP door.

Ours are only the door (`door.py`, `routes.py` and one module per noun) and two small Java classes (`java/`):
the Script task, which no registry serves, and a gRPC server that listens on loopback only. Everything that
decides what an execution does is Kestra's own code.
"""
