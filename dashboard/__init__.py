"""The on-call desk for incidents that AI agents handle inside a Kestra flow."""
