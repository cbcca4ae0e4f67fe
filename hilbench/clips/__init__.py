"""Moving pictures of runs: the robot, its events, spikes and error in step. Pillow draws, and ffmpeg makes an MP4."""
