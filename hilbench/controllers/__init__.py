"""Controllers: laws, and networks with their coders. One file each."""
