"""The desk as people feel it: how soon it shows, what it bears, how it does with a long history."""
