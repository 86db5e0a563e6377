"""What runs without a browser: starting runs, delivering decisions and commands, letting approvals expire."""
