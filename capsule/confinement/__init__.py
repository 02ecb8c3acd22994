"""What a process of ours gives up before it meets something foreign: rights, calls, files, networks."""
