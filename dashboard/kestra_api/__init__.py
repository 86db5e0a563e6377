"""The only code that speaks to Kestra; it knows the 1.3 and the 2.0 line (seen: 1.3.25, 2.0.0)."""
