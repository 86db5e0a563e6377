"""Real parts for tests: started once per run, on ports and folders of their own."""
