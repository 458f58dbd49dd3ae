"""What a terminal program costs, measured from outside through a pty. It imports nothing of the console."""
