"""The demo service: a few named services that degrade with time and get well by a restart."""
