"""Laws and networks with their coders; a file each."""
