"""What pages are made of: one component per file, drawing only; pages fetch."""
