"""How good pictures are: one measure a file, and two videos compared frame by frame."""
