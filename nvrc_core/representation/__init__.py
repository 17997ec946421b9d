"""What is fitted: feature grids and a synthesis network."""
