"""What runs without a browser: starting runs, delivering decisions, letting approvals expire."""
