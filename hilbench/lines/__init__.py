"""What the protocols of devices and of robots share: frames on a stream, serial lines, and whose clock it is."""
