"""What the words mean: pure types and rules, no input or output."""
