"""Rate-distortion points in files, and curves compared."""
