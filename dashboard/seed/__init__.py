"""The demo's content: one organization with people, services, a catalogue and a past."""
