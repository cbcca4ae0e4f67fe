"""A plant's side of a link: requests, replies and connections."""
