"""How a representation becomes symbols: quantisers, priors and the segment codec."""
