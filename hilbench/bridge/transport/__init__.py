"""How bytes get across: addresses, sockets, and waiting without sleep."""
