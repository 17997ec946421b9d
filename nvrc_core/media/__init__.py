"""Files and pipes to planes, and planes to files and pipes."""
